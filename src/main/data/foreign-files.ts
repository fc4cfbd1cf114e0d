// Recognises files that are often mistaken for data, by their first bytes.

import { isUtf8 } from 'node:buffer';
import type { SoftshardError } from '../../errors.js';
import type { ByteSource } from './byte-source.js';
import type { DataFile } from './data-file.js';
import { formatError } from './errors.js';

/** First bytes that suffice to recognise a file. */
export const HEAD_BYTES = 4096;

/** The beginning of the content, as long as that or the content is. */
export async function headOf(file: DataFile): Promise<Uint8Array> {
  const source = file.content(() => {});
  const buffer = new Uint8Array(HEAD_BYTES);
  const head = buffer.subarray(0, await source.read(buffer));
  source.close();
  return head;
}

interface Kind {
  readonly what: string;
  readonly remedy: string;
  /** One of these, bytes as Latin-1; or a pattern of the text. */
  readonly begins: readonly string[] | RegExp;
  /** Offset of `begins`; default 0. */
  readonly at?: number;
  /** The file wanted is elsewhere, whatever its format. */
  readonly isElsewhere?: true;
  /** Words may begin the same way: a byte must follow that no text has. */
  readonly thenBinary?: true;
}

const PAGE = 'The server answered with a page in place of the file: fetch the file again.';
const UNPACK = 'Unpack it first: only gzip and zstd are read as they are.';
const TABLE = "Write it as CSV or .npy: numpy.save('x.npy', table.to_numpy()).";
const LINES = 'Write one record a line, as JSON Lines: jq -c ".[]" x.json > x.jsonl.';
const ARRAY = "Save the array by itself: numpy.save('x.npy', array).";
const PIXELS = "Save images as arrays of one row for each: numpy.save('x.npy', images).";
const OTHER = 'Name a file of the kind that is expected.';

const KINDS: readonly Kind[] = [
  { what: 'a web page (HTML)', remedy: PAGE, isElsewhere: true, begins: /^\s*<(!doctype|html|head|!--)/i },
  { what: 'XML', remedy: PAGE, isElsewhere: true, begins: /^\s*<(\?xml|svg)/i },
  {
    what: 'a pointer of Git LFS',
    remedy: 'The file itself is elsewhere: git lfs pull fetches it.',
    begins: ['version https://git-lfs'],
    isElsewhere: true,
  },
  { what: 'JSON', remedy: LINES, begins: /^\s*(\{\s*["}]|\[\s*[[{"])/ },
  {
    what: 'a zip archive (.zip, .xlsx)',
    remedy: 'Unpack it first; save a sheet as CSV.',
    begins: ['PK\x03\x04', 'PK\x05\x06'],
  },
  { what: 'Parquet', remedy: TABLE, begins: ['PAR1'], thenBinary: true },
  { what: 'Arrow', remedy: TABLE, begins: ['ARROW1'], thenBinary: true },
  {
    what: 'Feather of version 1',
    remedy: 'Write version 2, as DataFrame.to_feather does.',
    begins: ['FEA1'],
    thenBinary: true,
  },
  {
    what: 'encrypted Parquet',
    remedy: 'Write it without encryption.',
    begins: ['PARE'],
    thenBinary: true,
  },
  { what: 'ORC', remedy: TABLE, begins: ['ORC'], thenBinary: true },
  { what: 'Avro', remedy: TABLE, begins: ['Obj\x01'] },
  { what: 'HDF5', remedy: ARRAY, begins: ['\x89HDF'] },
  { what: 'a MATLAB file', remedy: ARRAY, begins: ['MATLAB 5.0 MAT-file'] },
  { what: 'a Python pickle', remedy: ARRAY, begins: ['\x80\x02', '\x80\x03', '\x80\x04', '\x80\x05'] },
  { what: 'a .npy file', remedy: OTHER, begins: ['\x93NUMPY'] },
  { what: 'an SQLite database', remedy: TABLE, begins: ['SQLite format 3\x00'] },
  { what: 'an old Excel file', remedy: 'Save it as CSV.', begins: ['\xd0\xcf\x11\xe0'] },
  { what: 'safetensors', remedy: OTHER, begins: ['\x00\x00\x00\x00\x00{"'], at: 3 },
  { what: 'a PNG image', remedy: PIXELS, begins: ['\x89PNG'] },
  { what: 'a JPEG image', remedy: PIXELS, begins: ['\xff\xd8\xff'] },
  { what: 'a GIF image', remedy: PIXELS, begins: ['GIF87a', 'GIF89a'] },
  { what: 'a PDF document', remedy: OTHER, begins: ['%PDF-'] },
  { what: 'bzip2', remedy: UNPACK, begins: ['1AY&SY'], at: 4 },
  { what: 'xz', remedy: UNPACK, begins: ['\xfd7zXZ'] },
  { what: 'zstd within another compression', remedy: 'Unpack it once.', begins: ['\x28\xb5\x2f\xfd'] },
  { what: 'LZ4', remedy: UNPACK, begins: ['\x04\x22\x4d\x18'] },
  { what: '7z', remedy: UNPACK, begins: ['7z\xbc\xaf'] },
  { what: 'a tar archive', remedy: 'Unpack it first.', begins: ['ustar'], at: 257 },
  { what: 'gzip within another compression', remedy: 'Unpack it once.', begins: ['\x1f\x8b'] },
  { what: 'UTF-16 text', remedy: 'Save the text as UTF-8.', begins: ['\xff\xfe', '\xfe\xff'] },
];

function kindOf(head: Uint8Array): Kind | undefined {
  const text = Buffer.from(head.subarray(0, HEAD_BYTES)).toString('latin1');
  return KINDS.find(({ begins, at = 0, thenBinary }) => {
    if ('test' in begins) return begins.test(text.replace('\xef\xbb\xbf', ''));
    const mark = begins.find((mark) => text.startsWith(mark, at));
    return mark !== undefined && (thenBinary === undefined || isBinary(text.charCodeAt(at + mark.length)));
  });
}

/** What file these bytes are the beginning of, where they can hardly be anything else. */
export function fileKindOf(head: Uint8Array): string | undefined {
  const kind = kindOf(head);
  const isLong =
    kind !== undefined && ('test' in kind.begins || kind.begins.every(({ length }) => length >= 4));
  return isLong ? kind.what : undefined;
}

/** Control characters other than white space. */
const isBinary = (code: number): boolean => code < 9 || (code > 13 && code < 32);

export interface Expectation {
  readonly expected: string;
  /** Replaces the kind's own. */
  readonly remedy?: string;
}

/** Throws if the first bytes show a foreign file. */
export function refuseForeign(path: string, head: Uint8Array, { expected, remedy }: Expectation): void {
  const kind = kindOf(head);
  if (!kind) return;
  const ownRemedy = remedy === undefined || kind.isElsewhere ? kind.remedy : remedy;
  throw formatError(path, `expected ${expected}, found ${kind.what}`, ownRemedy);
}

/** The same for binary formats, which refuse text too; `head` has been read from the source. */
export async function refuseForeignAfter(
  source: ByteSource,
  head: Uint8Array,
  expectation: Expectation,
): Promise<void> {
  const rest = new Uint8Array(HEAD_BYTES - head.length);
  const count = await source.read(rest);
  const whole = Buffer.concat([head, rest.subarray(0, count)]);
  refuseForeign(source.path, whole, expectation);
  const { expected, remedy = OTHER } = expectation;
  // The last character may be cut.
  if (!whole.some(isBinary) && isUtf8(whole.subarray(0, whole.findLastIndex((byte) => byte < 0x80) + 1))) {
    throw formatError(source.path, `expected ${expected}, found text, such as CSV`, remedy);
  }
}

/** Neither empty nor binary nor a foreign file. */
export const isText = (head: Uint8Array): boolean =>
  head.length > 0 && !head.subarray(0, HEAD_BYTES).includes(0) && kindOf(head) === undefined;

/** An empty file passes: readers say that it has no rows. */
export function expectCsv(path: string, head: Uint8Array): void {
  if (head.length === 0 || isText(head)) return;
  refuseForeign(path, head, { expected: 'a CSV file' });
  throw unknownBytes(path, head, 'a CSV file');
}

export function unknownBytes(path: string, head: Uint8Array, expected: string): SoftshardError {
  const bytes = [...head.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const found = head.length === 0 ? 'an empty file' : `the bytes ${bytes}`;
  const remedy = head.length === 0 ? 'Write or fetch it again.' : 'Convert it to one of these.';
  return formatError(path, `expected ${expected}, found ${found}`, remedy);
}
