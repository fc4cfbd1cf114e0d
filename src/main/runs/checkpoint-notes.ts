// A note of the run inside the bytes of a checkpoint, which are a safetensors file: one rename then puts both in place.
import { SoftshardError } from '../../errors.js';

/** Before the header of a safetensors file stands its length. */
const LENGTH_BYTES = 8;
const ALIGNMENT_BYTES = 8;
/** In its metadata. */
const KEY = 'run';

interface Header {
  readonly __metadata__?: Readonly<Record<string, string>>;
}

/** The same file, with the note (JSON) in its metadata. */
export const withNote = (bytes: Uint8Array, note: object): Uint8Array => {
  const { header, end } = headerOf(bytes, 'checkpoint');
  const __metadata__ = { ...header.__metadata__, [KEY]: JSON.stringify(note) };
  return assemble({ ...header, __metadata__ }, bytes.subarray(end));
};

/** The note of a file, and its bytes without. Throws ERR_FORMAT where it has none. */
export function splitNote(bytes: Uint8Array, name: string): { note: unknown; bytes: Uint8Array } {
  const { header, end } = headerOf(bytes, name);
  const { [KEY]: note, ...metadata } = header.__metadata__ ?? {};
  if (note === undefined) throw damaged(name, `metadata "${KEY}" is missing`);
  const rest = assemble({ ...header, __metadata__: metadata }, bytes.subarray(end));
  try {
    return { note: JSON.parse(note), bytes: rest };
  } catch (cause) {
    throw damaged(name, `metadata "${KEY}" is no JSON`, cause);
  }
}

function headerOf(bytes: Uint8Array, name: string): { readonly header: Header; readonly end: number } {
  const length =
    bytes.length < LENGTH_BYTES
      ? Number.NaN
      : Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const end = LENGTH_BYTES + length;
  if (!(end <= bytes.length)) throw damaged(name, `it ends after ${bytes.length} bytes`);
  try {
    return {
      header: JSON.parse(
        Buffer.from(bytes.buffer, bytes.byteOffset + LENGTH_BYTES, length).toString(),
      ) as Header,
      end,
    };
  } catch (cause) {
    throw damaged(name, 'its header is no JSON', cause);
  }
}

function assemble(header: Header, content: Uint8Array): Uint8Array {
  const json = Buffer.from(JSON.stringify(header));
  const length = Math.ceil(json.length / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  const bytes = Buffer.alloc(LENGTH_BYTES + length + content.length, ' ');
  bytes.writeBigUInt64LE(BigInt(length));
  bytes.set(json, LENGTH_BYTES);
  bytes.set(content, LENGTH_BYTES + length);
  return bytes;
}

function damaged(name: string, finding: string, cause?: unknown): SoftshardError {
  const message = `${name}: ${finding}: the checkpoint is damaged`;
  return new SoftshardError('ERR_FORMAT', message, { value: name, ...(cause !== undefined && { cause }) });
}
