// numpy's .npz files: zip archives of .npy files, as numpy.savez and numpy.savez_compressed write them.

import { crc32 } from 'node:zlib';
import type { NamedArray } from '../array-choice.js';
import { type ByteSource, CHUNK_BYTES } from '../byte-source.js';
import type { ByteStream } from '../compression.js';
import type { DataFile } from '../data-file.js';
import { isRead } from '../dense-layout.js';
import { formatError } from '../errors.js';
import type { FileFormat } from '../format.js';
import { namedArraysFormat, pathOf } from '../named-arrays.js';
import { ARRAY_LABEL_REMEDIES } from '../npy/npy.js';
import { readNpyLayout } from '../npy/npy-header.js';
import { type Member, readZipDirectory } from './zip-directory.js';

const LOCAL_HEADER = 'PK\x03\x04';
/** Of the length of the first member's name in a local header, and of the name. */
const [NAME_LENGTH_AT, NAME_AT] = [26, 30];

export const npzFormat: FileFormat = namedArraysFormat({
  name: 'npz',
  title: '.npz',
  extensions: ['.npz'],
  matches(head) {
    const text = Buffer.from(head).toString('latin1');
    if (!text.startsWith(LOCAL_HEADER) || head.length < NAME_AT) return false;
    const length = head[NAME_LENGTH_AT]! + 256 * head[NAME_LENGTH_AT + 1]!;
    // Other archives (.xlsx, .zip) begin with other members.
    return text.slice(NAME_AT, NAME_AT + length).endsWith('.npy');
  },
  labelRemedies: ARRAY_LABEL_REMEDIES,
  list: listArrays,
});

/** In the order of the directory. */
export async function listArrays(file: DataFile): Promise<readonly NamedArray[]> {
  const members = await readZipDirectory(file);
  const arrays: NamedArray[] = [];
  for (const member of members) {
    if (!member.name.endsWith('.npy')) continue;
    const name = member.name.slice(0, -'.npy'.length);
    const open = async (onProgress?: (fraction: number) => void) => {
      const source = await memberOf(file, member, pathOf(file, name), onProgress);
      return { source, layout: await readNpyLayout(source) };
    };
    const { source, layout } = await open(() => {});
    // Damage may be why: another array would be taken in its place.
    if (!isRead(layout)) await readToEnd(source);
    const offset = member.isDeflated ? undefined : member.begin + source.offset;
    source.close();
    arrays.push({ name, layout, offset, open: async (onProgress) => (await open(onProgress)).source });
  }
  refuseSparse(file, arrays);
  return arrays;
}

/** Compares its checksum. */
async function readToEnd(source: ByteSource): Promise<void> {
  const scratch = new Uint8Array(CHUNK_BYTES);
  while ((await source.read(scratch)) === scratch.length);
}

async function memberOf(
  file: DataFile,
  member: Member,
  path: string,
  onProgress?: (fraction: number) => void,
): Promise<ByteSource> {
  const source = file.content(onProgress);
  await source.skip(member.begin, 'a member of the archive');
  const compression = member.isDeflated ? 'deflate' : undefined;
  return source.section(path, member.storedBytes, compression, (bytes) => checked(bytes, member, path));
}

/** Compares the checksum once all bytes have been read. */
function checked(bytes: ByteStream, member: Member, path: string): ByteStream {
  let sum = 0;
  return {
    async read(into) {
      const count = await bytes.read(into);
      if (count > 0) sum = crc32(into.subarray(0, count), sum);
      else if (into.length > 0 && sum !== member.crc32) {
        const finding = `expected the checksum ${member.crc32}, found ${sum}`;
        throw formatError(path, finding, 'The archive is damaged: fetch or write it again.');
      }
      return count;
    },
    close: () => bytes.close(),
  };
}

/** What scipy.sparse.save_npz writes. */
function refuseSparse(file: DataFile, arrays: readonly NamedArray[]): void {
  const names = new Set(arrays.map(({ name }) => name));
  if (!['format', 'shape', 'data'].every((name) => names.has(name))) return;
  if (!names.has('indptr') && !names.has('row') && !names.has('offsets')) return;
  throw formatError(
    file.path,
    'expected arrays, found the parts of a sparse matrix, as scipy.sparse.save_npz writes them',
    "Save it dense (numpy.savez('x.npz', X=matrix.toarray())) or as SVMlight (sklearn.datasets.dump_svmlight_file).",
  );
}
