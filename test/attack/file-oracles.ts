// What files hold, read a second time in the plainest way: what readers accept has to agree with it.
import * as zlib from 'node:zlib';
import { AttackFailure, expectThat } from './attack.js';

export interface Values {
  readonly dims: readonly number[];
  /** In C order. */
  readonly values: readonly number[];
}

type ReadNumber = (bytes: Buffer, at: number) => number;

const view = (bytes: Buffer): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

export function half(bytes: Buffer, at: number, little: boolean): number {
  const bits = view(bytes).getUint16(at, little);
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

const readerOf = (code: string, little: boolean): ReadNumber | undefined => {
  const readers: Readonly<Record<string, ReadNumber>> = {
    b1: (bytes, at) => bytes[at]!,
    u1: (bytes, at) => bytes[at]!,
    i1: (bytes, at) => bytes.readInt8(at),
    u2: (bytes, at) => view(bytes).getUint16(at, little),
    i2: (bytes, at) => view(bytes).getInt16(at, little),
    u4: (bytes, at) => view(bytes).getUint32(at, little),
    i4: (bytes, at) => view(bytes).getInt32(at, little),
    u8: (bytes, at) => Number(view(bytes).getBigUint64(at, little)),
    i8: (bytes, at) => Number(view(bytes).getBigInt64(at, little)),
    f2: (bytes, at) => half(bytes, at, little),
    f4: (bytes, at) => view(bytes).getFloat32(at, little),
    f8: (bytes, at) => view(bytes).getFloat64(at, little),
  };
  return readers[code];
};

/** The upper half of a float32. */
const brain: ReadNumber = (bytes, at) => {
  const whole = Buffer.alloc(4);
  bytes.copy(whole, 2, at, at + 2);
  return whole.readFloatLE();
};

const sizeOf = (dims: readonly number[]): number => dims.reduce((all, dim) => all * dim, 1);

function valuesOf(body: Buffer, code: string, little: boolean, dims: readonly number[]): number[] {
  const read = code === 'bf2' ? brain : readerOf(code, little);
  const width = Number(code.at(-1));
  expectThat(read !== undefined, `elements of type ${code} are accepted`);
  expectThat(body.length === sizeOf(dims) * width, `${body.length} bytes are accepted as ${code} [${dims}]`);
  return Array.from({ length: sizeOf(dims) }, (_, i) => read(body, i * width));
}

const IDX_CODES: Readonly<Record<number, string>> = {
  8: 'u1',
  9: 'i1',
  11: 'i2',
  12: 'i4',
  13: 'f4',
  14: 'f8',
};

export function idxValues(content: Buffer): Values {
  const dims = Array.from({ length: content[3]! }, (_, axis) => content.readUInt32BE(4 + 4 * axis));
  expectThat(content[0] === 0 && content[1] === 0 && dims.length > 0, 'a file that is no IDX is accepted');
  return {
    dims,
    values: valuesOf(content.subarray(4 + 4 * dims.length), IDX_CODES[content[2]!] ?? '', false, dims),
  };
}

export function npyValues(content: Buffer): Values {
  const isFirst = content[6] === 1;
  const length = isFirst ? content.readUInt16LE(8) : content.readUInt32LE(8);
  const begin = isFirst ? 10 : 12;
  const header = content.toString(content[6] === 3 ? 'utf8' : 'latin1', begin, begin + length);
  const [, , order = '', code = ''] = /(["'])descr\1\s*:\s*["']([<>|=]?)(\w+)["']/.exec(header) ?? [];
  const shape = /(["'])shape\1\s*:\s*\(([^)]*)\)/.exec(header)?.[2] ?? '';
  const dims = shape
    .split(',')
    .filter((dim) => dim.trim() !== '')
    .map((dim) => Number.parseInt(dim, 10));
  const stored = valuesOf(content.subarray(begin + length), code, order !== '>', dims);
  const isFortran = /(["'])fortran_order\1\s*:\s*True/.test(header);
  return { dims, values: isFortran ? inCOrder(stored, dims) : stored };
}

/** A member of a zip archive, as its directory at the end has it: of several that are called so the first. Others may be damaged. */
export function zipMember(content: Buffer, wanted: string): Buffer {
  const end = content.lastIndexOf('PK\x05\x06', content.length - 22, 'latin1');
  let at = content.readUInt32LE(end + 16);
  for (let entries = content.readUInt16LE(end + 10); entries > 0; entries--) {
    const [method, size] = [content.readUInt16LE(at + 10), content.readUInt32LE(at + 20)];
    const [name, extra, comment] = [28, 30, 32].map((field) => content.readUInt16LE(at + field)) as [
      number,
      number,
      number,
    ];
    const local = content.readUInt32LE(at + 42);
    const begin = local + 30 + content.readUInt16LE(local + 26) + content.readUInt16LE(local + 28);
    const stored = content.subarray(begin, begin + size);
    const title = content.toString('utf8', at + 46, at + 46 + name);
    if (title === wanted) return method === 8 ? zlib.inflateRawSync(stored) : stored;
    at += 46 + name + extra + comment;
  }
  throw new AttackFailure(`an array that is not in the archive is accepted: ${wanted}`);
}

const DTYPE_CODES: Readonly<Record<string, string>> = {
  ...{ BOOL: 'b1', U8: 'u1', I8: 'i1', U16: 'u2', I16: 'i2', U32: 'u4', I32: 'i4', U64: 'u8', I64: 'i8' },
  ...{ F16: 'f2', BF16: 'bf2', F32: 'f4', F64: 'f8' },
};

export function tensorValues(content: Buffer, name: string): Values {
  const length = Number(content.readBigUInt64LE());
  const { dtype, shape, data_offsets } = JSON.parse(content.toString('utf8', 8, 8 + length))[name];
  const body = content.subarray(8 + length + data_offsets[0], 8 + length + data_offsets[1]);
  return { dims: shape, values: valuesOf(body, DTYPE_CODES[dtype] ?? '', true, shape) };
}

/** The words of a .npy file. */
export function npyWords(content: Buffer): string[] {
  const isFirst = content[6] === 1;
  const length = isFirst ? content.readUInt16LE(8) : content.readUInt32LE(8);
  const begin = isFirst ? 10 : 12;
  const header = content.toString('latin1', begin, begin + length);
  const [, , order, kind, letters] = /(["'])descr\1\s*:\s*["']([<>|=]?)([US])(\d+)['"]/.exec(header) ?? [];
  const width = Number(letters) * (kind === 'U' ? 4 : 1);
  const body = content.subarray(begin + length);
  return Array.from({ length: body.length / width }, (_, row) => {
    const bytes = body.subarray(row * width, (row + 1) * width);
    if (kind === 'S') return bytes.toString('utf8').replace(/\0+$/, '');
    const codes = Array.from({ length: width / 4 }, (_, i) =>
      order === '>' ? bytes.readUInt32BE(4 * i) : bytes.readUInt32LE(4 * i),
    );
    return String.fromCodePoint(...codes).replace(/\0+$/, '');
  });
}

export interface SparseRows extends Values {
  readonly labels: readonly string[];
}

const svmlightCells = (content: Buffer): string[][] =>
  content
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '')
    .split('\n')
    .map((line) => line.replace(/#.*$/s, '').trim())
    .filter((line) => line !== '')
    .map((line) => line.split(/\s+/));

export const svmlightLabels = (content: Buffer): string[] => svmlightCells(content).map(([label]) => label!);

export function svmlightRows(content: Buffer): SparseRows {
  const rows = svmlightCells(content);
  const cells = rows.map((row) => row.slice(1).filter((cell) => !cell.startsWith('qid:')));
  const pairs = cells.map((row) => row.map((cell) => cell.split(':').map(Number) as [number, number]));
  const indices = pairs.flat().map(([index]) => index);
  const lowest = indices.reduce((least, index) => Math.min(least, index), Number.POSITIVE_INFINITY);
  const base = lowest === 0 ? 0 : 1;
  const features = indices.reduce((most, index) => Math.max(most, index), 0) + 1 - base;
  const values = new Array<number>(rows.length * features).fill(0);
  for (const [row, entries] of pairs.entries()) {
    for (const [index, value] of entries) values[row * features + index - base] = value;
  }
  return { dims: [rows.length, features], values, labels: rows.map((row) => row[0]!) };
}

/** From the first dimension fastest to the last fastest. */
function inCOrder(stored: readonly number[], dims: readonly number[]): number[] {
  return Array.from({ length: stored.length }, (_, place) => {
    let rest = place;
    let from = 0;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      from += (rest % dims[axis]!) * sizeOf(dims.slice(0, axis));
      rest = Math.floor(rest / dims[axis]!);
    }
    return stored[from]!;
  });
}

/** A tab where line 1 has some and no commas, but for those in quotes. */
export function delimiterOf(content: Buffer, others = ['\t', ';', '|']): string {
  const head = new TextDecoder().decode(content.subarray(0, 4096)).trimStart();
  const line = (/^[^\r\n]*/.exec(head)?.[0] ?? '').replace(/"[^"]*"/g, '').trim();
  const other = others.find((other) => line.includes(other));
  const commas = other === ';' ? line.replace(/\d,\d/g, '') : line;
  return other === undefined || commas.includes(',') ? ',' : other;
}

/** Records of trimmed cells by RFC 4180; records of one empty cell, which blank lines are, are left out. */
export function csvRecords(content: Buffer, delimiter: string): string[][] {
  const text = content.toString('utf8').replace(/^\ufeff/, '');
  const records: string[][] = [];
  let cells: string[] = [];
  let cell = '';
  let wasQuoted = false;
  const endCell = () => {
    cells.push(wasQuoted ? cell : cell.trim());
    cell = '';
    wasQuoted = false;
  };
  const endRecord = () => {
    endCell();
    if (cells.length > 1 || cells[0] !== '') records.push(cells);
    cells = [];
  };
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === '"' && cell.trim() === '' && !wasQuoted) {
      wasQuoted = true;
      cell = '';
      for (i++; i < text.length && !(text[i] === '"' && text[i + 1] !== '"'); i++) {
        if (text[i] === '"') i++;
        cell += text[i];
      }
    } else if (text.startsWith(delimiter, i)) {
      endCell();
      i += delimiter.length - 1;
    } else if (char === '\n' || char === '\r') {
      if (char === '\r' && text[i + 1] === '\n') i++;
      endRecord();
    } else if (!wasQuoted || char.trim() !== '') {
      cell += char;
    }
  }
  if (cell !== '' || cells.length > 0 || wasQuoted) endRecord();
  return records;
}

export interface ModelContent {
  readonly weights: Float32Array;
  readonly bias: Float32Array;
  readonly classNames: unknown;
}

export function modelContent(content: Buffer): ModelContent {
  const length = Number(content.readBigUInt64LE());
  const header = JSON.parse(content.toString('utf8', 8, 8 + length));
  const tensor = (name: string): Float32Array => {
    const [begin, end] = header[name].data_offsets;
    const bytes = content.subarray(8 + length + begin, 8 + length + end);
    return new Float32Array(Uint8Array.from(bytes).buffer);
  };
  const names: string | undefined = header.__metadata__.classNames;
  return {
    weights: tensor('weights'),
    bias: tensor('bias'),
    classNames: names === undefined ? undefined : JSON.parse(names),
  };
}
