// Reads FlatBuffers with every offset checked, so that damaged bytes end in an error and never in a loop.

/** A table: fields by number, which may be absent. Throws RangeError where the bytes end. */
export class Table {
  readonly #view: DataView;
  readonly #at: number;
  readonly #fields: number;
  readonly #fieldCount: number;

  constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
    this.#fields = at - view.getInt32(at, true);
    const bytes = view.getUint16(this.#fields, true);
    if (bytes < 4 || bytes % 2 !== 0 || this.#fields + bytes > view.byteLength) {
      throw new RangeError(`a table whose fields take ${bytes} bytes`);
    }
    this.#fieldCount = (bytes - 4) / 2;
  }

  /** The root of a buffer. */
  static root(bytes: Uint8Array): Table {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return new Table(view, view.getUint32(0, true));
  }

  /** 0 if absent. */
  #place(field: number): number {
    const offset = field < this.#fieldCount ? this.#view.getUint16(this.#fields + 4 + 2 * field, true) : 0;
    return offset === 0 ? 0 : this.#at + offset;
  }

  byte(field: number): number {
    const place = this.#place(field);
    return place === 0 ? 0 : this.#view.getUint8(place);
  }

  short(field: number): number {
    const place = this.#place(field);
    return place === 0 ? 0 : this.#view.getInt16(place, true);
  }

  int(field: number): number {
    const place = this.#place(field);
    return place === 0 ? 0 : this.#view.getInt32(place, true);
  }

  long(field: number): number {
    const place = this.#place(field);
    return place === 0 ? 0 : countAt(this.#view, place);
  }

  table(field: number): Table | undefined {
    const place = this.#place(field);
    return place === 0 ? undefined : new Table(this.#view, place + this.#view.getUint32(place, true));
  }

  text(field: number): string {
    const place = this.#place(field);
    if (place === 0) return '';
    const at = place + this.#view.getUint32(place, true);
    const length = this.#view.getUint32(at, true);
    const begin = at + 4;
    if (begin + length > this.#view.byteLength) throw new RangeError(`a text of ${length} bytes`);
    return Buffer.from(this.#view.buffer as ArrayBuffer, this.#view.byteOffset + begin, length).toString(
      'utf8',
    );
  }

  /** The elements of a vector, each of so many bytes. */
  #vector(field: number, elementBytes: number): { begin: number; length: number } {
    const place = this.#place(field);
    if (place === 0) return { begin: 0, length: 0 };
    const at = place + this.#view.getUint32(place, true);
    const length = this.#view.getUint32(at, true);
    if (at + 4 + length * elementBytes > this.#view.byteLength) throw new RangeError(`a vector of ${length}`);
    return { begin: at + 4, length };
  }

  tables(field: number): Table[] {
    const { begin, length } = this.#vector(field, 4);
    return Array.from({ length }, (_, index) => {
      const place = begin + 4 * index;
      return new Table(this.#view, place + this.#view.getUint32(place, true));
    });
  }

  /** The 64-bit integer that each struct of so many bytes begins with. */
  firstLongs(field: number, structBytes: number): number[] {
    const { begin, length } = this.#vector(field, structBytes);
    return Array.from({ length }, (_, index) => countAt(this.#view, begin + structBytes * index));
  }

  /** Of structs of `longs` 64-bit integers each, all of these. */
  longs(field: number, longs = 1): number[] {
    const { begin, length } = this.#vector(field, 8 * longs);
    return Array.from({ length: length * longs }, (_, index) => countAt(this.#view, begin + 8 * index));
  }
}

function countAt(view: DataView, place: number): number {
  const value = Number(view.getBigInt64(place, true));
  if (Number.isSafeInteger(value) && value >= -1) return value;
  throw new RangeError(`a count of ${value}`);
}
