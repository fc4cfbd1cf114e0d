// Lines of metrics in bounded memory: of too many, those of every second step stay, then of every fourth, and so on.

const MOST_LINES = 200_000;

export class MetricsLines {
  readonly #most: number;
  #kept: unknown[] = [];
  /** One of so many lines is kept. */
  #stride = 1;
  #seen = 0;
  #last: unknown;

  constructor(most = MOST_LINES) {
    this.#most = most;
  }

  add(line: unknown): void {
    this.#last = line;
    if (this.#seen++ % this.#stride !== 0) return;
    this.#kept.push(line);
    if (this.#kept.length <= this.#most) return;
    this.#kept = this.#kept.filter((_, i) => i % 2 === 0);
    this.#stride *= 2;
  }

  /** In order, the last one among them. */
  get all(): readonly unknown[] {
    return this.#seen === 0 || this.#kept.at(-1) === this.#last ? this.#kept : [...this.#kept, this.#last];
  }
}
