// A child process as run.ts sees it: it is given ranges of cases, and found out where it ends or falls silent.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Attack, afterAwake, type Range } from '../attack.js';
import type { Counted, News } from './messages.js';

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));

/** The case at which a process came to its end. */
export interface Lost {
  readonly seed: number;
  readonly how: string;
}

export class WorkerProcess {
  readonly #child: ChildProcess;
  #stderr = '';
  /** How many cases it was given. */
  cases = 0;

  constructor() {
    // So much memory no case takes: a process that does ends, and is found out.
    this.#child = fork(CHILD, {
      execArgv: ['--max-old-space-size=1500'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-2000);
    });
  }

  /** Undefined when it came to the end of the range. */
  run(
    attack: Attack,
    range: Range,
    careful: boolean,
    onCounted: (counted: Counted) => void,
  ): Promise<Lost | undefined> {
    const child = this.#child;
    this.cases += range.cases;
    // A case ends at its deadline by itself, unless it keeps the process from doing so.
    const silenceMs = attack.deadlineMs + 30_000;
    return new Promise((resolve) => {
      let seed = range.seed;
      let timer: NodeJS.Timeout | undefined;
      const end = (lost?: Lost) => {
        clearInterval(timer);
        child.off('message', onMessage);
        child.off('exit', onExit);
        resolve(lost);
      };
      const listen = () => {
        clearInterval(timer);
        timer = afterAwake(silenceMs, () => end({ seed, how: `says nothing for ${silenceMs} ms` }));
      };
      const onMessage = (news: News) => {
        listen();
        if (news.kind === 'begun') seed = news.seed;
        else if (news.kind === 'counted') onCounted(news);
        else end();
      };
      const onExit = (code: number | null, signal: NodeJS.Signals | null) =>
        end({ seed, how: `ends with ${signal ?? code}: ${this.#stderr}` });
      child.on('message', onMessage);
      child.on('exit', onExit);
      listen();
      child.send({ attack: attack.name, range, careful });
    });
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
