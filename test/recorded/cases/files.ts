// What readers make of files, what writers write, and the scaling of features.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  createNpyWriter,
  openNpy,
  readCsv,
  readFeatures,
  readLabels,
  readMatrix,
  scaleFeatures,
  standardScaling,
  writeCsv,
  writeNpy,
} from '#softshard/main/index.js';
import type { Case, Place, Values } from '../case.js';
import { Inputs, product } from '../inputs.js';

function fileIn({ folder }: Place, name: string, content: Uint8Array | string): string {
  const path = join(folder(), name);
  writeFileSync(path, content);
  return path;
}

const bytesOf = (array: ArrayBufferView): Buffer =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);

/** Little-endian numbers, swapped where the file is to be big-endian. */
function bytesIn(array: ArrayBufferView, width: number, bigEndian: boolean): Buffer {
  const bytes = Buffer.from(bytesOf(array));
  if (!bigEndian || width === 1) return bytes;
  return width === 2 ? bytes.swap16() : width === 4 ? bytes.swap32() : bytes.swap64();
}

/** Whole numbers from -100 to 100, or from 0 for unsigned types, in numpy's dtypes. */
const DTYPES: Readonly<Record<string, (inputs: Inputs, length: number) => ArrayBufferView>> = {
  u1: (inputs, length) => inputs.bytes(length),
  i1: (inputs, length) => Int8Array.from({ length }, () => inputs.below(201) - 100),
  u2: (inputs, length) => Uint16Array.from({ length }, () => inputs.below(60000)),
  i2: (inputs, length) => Int16Array.from({ length }, () => inputs.below(201) - 100),
  u4: (inputs, length) => Uint32Array.from({ length }, () => inputs.uint32()),
  i4: (inputs, length) => Int32Array.from({ length }, () => inputs.uint32() - 2 ** 31),
  u8: (inputs, length) => BigUint64Array.from({ length }, () => BigInt(inputs.uint32()) * 4097n),
  i8: (inputs, length) => BigInt64Array.from({ length }, () => BigInt(inputs.below(201) - 100)),
  f2: (inputs, length) => inputs.floats('float16', length, 9),
  f4: (inputs, length) => inputs.floats('float32', length, 9),
  f8: (inputs, length) => inputs.floats('float64', length, 9),
};

function npyFile(descr: string, dims: readonly number[], fortran: boolean, values: Buffer): Buffer {
  const shape = dims.length === 1 ? `(${dims[0]},)` : `(${dims.join(', ')})`;
  const dict = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${shape}, }`;
  const text = `${dict.padEnd(117)}\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(text.length);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(text), values]);
}

function npyCase(code: string, bigEndian: boolean, fortran: boolean): Case {
  const descr = `${code.endsWith('1') ? '|' : bigEndian ? '>' : '<'}${code}`;
  const dims = [6, 3, 2];
  return {
    name: `readMatrix, readFeatures and openNpy: .npy of ${descr}${fortran ? ', Fortran order' : ''}`,
    run: async (place) => {
      const values = DTYPES[code]!(new Inputs(81), product(dims));
      const bytes = bytesIn(values, Number(code[1]), bigEndian);
      const path = fileIn(place, 'x.npy', npyFile(descr, dims, fortran, bytes));
      const { matrix } = await readMatrix(place.engine, path);
      const features = await readFeatures(place.engine, path);
      const npy = await openNpy(path);
      const rows = await npy.readRows(1, 5);
      await npy.close();
      return {
        matrix: place.take(matrix),
        features: place.take(features.matrix),
        'bytes of rows': Uint8Array.from(bytesOf(rows)),
      };
    },
  };
}

const npy: readonly Case[] = Object.keys(DTYPES).flatMap((code) => [
  npyCase(code, false, false),
  npyCase(code, !code.endsWith('1'), true),
]);

function idxCase(type: number, code: string, compressed: boolean): Case {
  const dims = [5, 4, 3];
  return {
    name: `readMatrix and readFeatures: IDX of type ${type}${compressed ? ', gzip' : ''}`,
    run: async (place) => {
      const values = DTYPES[code]!(new Inputs(82), product(dims));
      const header = Buffer.alloc(4 + 4 * dims.length);
      header.set([0, 0, type, dims.length]);
      for (const [index, dim] of dims.entries()) header.writeUInt32BE(dim, 4 + 4 * index);
      const file = Buffer.concat([header, bytesIn(values, Number(code[1]), true)]);
      const path = fileIn(place, 'x.idx', compressed ? gzipSync(file) : file);
      const { matrix } = await readMatrix(place.engine, path);
      const features = await readFeatures(place.engine, path);
      return { matrix: place.take(matrix), features: place.take(features.matrix) };
    },
  };
}

const idx: readonly Case[] = [
  idxCase(0x08, 'u1', false),
  idxCase(0x08, 'u1', true),
  idxCase(0x09, 'i1', false),
  idxCase(0x0b, 'i2', false),
  idxCase(0x0c, 'i4', false),
  idxCase(0x0d, 'f4', true),
  idxCase(0x0e, 'f8', false),
];

const CSV = [
  'length,width,"the ""kind""",note',
  '5.1,3.5,setosa,1',
  '-0.25,1e-3,virginica,2',
  ' 7 ,+.5,setosa,3',
  '1234567.891,3.4e38,"versi,color",4',
  '0.1,-0,virginica,5',
  '',
].join('\n');

const csv: readonly Case[] = [
  {
    name: 'readCsv: label column by name, chosen features',
    run: async (place) => {
      const path = fileIn(place, 'x.csv', CSV);
      const options = { labelColumn: 'the "kind"', featureColumns: ['width', 'length'] };
      const { matrix, targets, classNames, featureNames } = await readCsv(place.engine, path, options);
      return { matrix: place.take(matrix), targets, names: JSON.stringify({ classNames, featureNames }) };
    },
  },
  {
    name: 'readMatrix: tab-separated numbers without header, gzip',
    run: async (place) => {
      const inputs = new Inputs(83);
      const rows = Array.from({ length: 40 }, () => Array.from({ length: 3 }, () => inputs.number() * 100));
      const text = rows.map((row) => row.join('\t')).join('\r\n');
      const path = fileIn(place, 'x.tsv.gz', gzipSync(Buffer.from(text)));
      const { matrix } = await readMatrix(place.engine, path, { delimiter: '\t' });
      return { matrix: place.take(matrix) };
    },
  },
  {
    name: 'readLabels: text, .npy and IDX',
    run: async (place) => {
      const classes = new Inputs(84).classes(30, 4);
      const names = ['oak', 'ash', 'elm', 'fir'];
      const text = fileIn(place, 'y.txt', `${Array.from(classes, (target) => names[target]).join('\n')}\n`);
      const npyLabels = npyFile('<i4', [30], false, bytesOf(classes));
      const idxLabels = Buffer.concat([Buffer.from([0, 0, 8, 1, 0, 0, 0, 30]), Uint8Array.from(classes)]);
      const fromText = await readLabels(text);
      return {
        text: fromText.targets,
        names: JSON.stringify(fromText.classNames),
        npy: (await readLabels(fileIn(place, 'y.npy', npyLabels))).targets,
        idx: (await readLabels(fileIn(place, 'y.idx', idxLabels))).targets,
      };
    },
  },
];

const written: readonly Case[] = [
  {
    name: 'writeNpy, createNpyWriter and writeCsv: the bytes of files',
    run: async ({ folder }) => {
      const inputs = new Inputs(85);
      const path = (name: string) => join(folder(), name);
      const dims = [7, 2, 3];
      await writeNpy(path('f4.npy'), { dims, data: inputs.float32(42, 9) });
      await writeNpy(path('f8.npy'), { dims: [42], data: inputs.floats('float64', 42, 9) });
      await writeNpy(path('i4.npy'), { dims: [6, 7], data: inputs.classes(42, 1000) });
      const writer = await createNpyWriter(path('parts.npy'), { dims, type: 'float32' });
      await writer.append(inputs.float32(20, 9));
      await writer.append(inputs.float32(22, 9));
      await writer.commit();
      await writeCsv(path('x.csv'), [
        ['name', 'a "b"', ' c'],
        ['x,y', 1.5, -0],
        [1e21, 0.1, Number.NaN],
      ]);
      const names = ['f4.npy', 'f8.npy', 'i4.npy', 'parts.npy', 'x.csv'];
      return Object.fromEntries(names.map((name) => [name, Uint8Array.from(readFileSync(path(name)))]));
    },
  },
];

const scaling: readonly Case[] = (['float32', 'uint8'] as const).map((type) => ({
  name: `standardScaling and scaleFeatures: ${type} [37 × 5]`,
  run: async (place) => {
    const inputs = new Inputs(86);
    const dims = [37, 5];
    const { shift, scale } = standardScaling(
      type === 'uint8'
        ? place.put('uint8', dims, inputs.bytes(185))
        : place.put('float32', dims, inputs.float32(185, 40)),
    );
    const rows = place.put('float32', dims, inputs.float32(185, 40));
    scaleFeatures(rows, { shift, scale });
    const byNumbers = place.put('float32', dims, inputs.float32(185, 40));
    scaleFeatures(byNumbers, { shift: 1.1, scale: 0.3 });
    return {
      shift: Float32Array.from(shift as Float32Array),
      scale: Float32Array.from(scale as Float32Array),
      'scaled by feature': rows.data.slice(),
      'scaled by numbers': byNumbers.data.slice(),
    } satisfies Values;
  },
}));

export const fileCases: readonly Case[] = [...npy, ...idx, ...csv, ...written, ...scaling];
