// Values of other libraries that are no arrays: recognised by what they have, to say what to call for their elements.
import { types } from 'node:util';
import { arrayClassOf } from '../memory/arrays.js';

interface Kind {
  readonly what: string;
  readonly remedy: string;
  readonly is: (value: object) => boolean;
}

const at = (value: object, name: string): unknown => (name in value ? Reflect.get(value, name) : undefined);

const hasFunctions = (value: object, ...names: readonly string[]): boolean =>
  names.every((name) => typeof at(value, name) === 'function');

/** The first that fits. */
const KINDS: readonly Kind[] = [
  {
    what: 'a tensor of TensorFlow.js',
    remedy:
      "call tensor.dataSync(), or await tensor.data(): { type: 'float32', dims: tensor.shape, data: tensor.dataSync() }",
    is: (value) => hasFunctions(value, 'dataSync'),
  },
  {
    what: 'an Arquero table',
    remedy: 'call table.objects(), which gives records',
    is: (value) => hasFunctions(value, 'objects', 'numRows', 'columnNames'),
  },
  {
    what: 'a Polars data frame',
    remedy: 'call frame.toRecords(), which gives records, or frame.rows()',
    is: (value) => hasFunctions(value, 'toRecords', 'getColumn'),
  },
  {
    what: 'a Polars series',
    remedy: 'call series.toArray()',
    is: (value) => hasFunctions(value, 'toArray', 'toFrame'),
  },
  {
    what: 'a Danfo.js data frame or series',
    remedy: 'pass its .values, or danfo.toJSON(frame), which gives records',
    is: (value) => hasFunctions(value, 'print') && Array.isArray(at(value, 'values')),
  },
  {
    what: 'a tensor without dims',
    remedy: 'call tensor.tolist(), which gives rows, or pass { type, dims, data }',
    is: (value) => hasFunctions(value, 'tolist') && !('dims' in value),
  },
  {
    what: 'an array with a shape',
    remedy: "pass { type: 'float32', dims: array.shape, data: array.data } (data in C order, without gaps)",
    is: (value) => Array.isArray(at(value, 'shape')) && arrayClassOf(at(value, 'data')) !== undefined,
  },
  {
    what: 'a response or blob',
    remedy: 'call await value.arrayBuffer(), and pass new Float32Array(buffer)',
    is: (value) => hasFunctions(value, 'arrayBuffer'),
  },
  {
    what: 'memory without an element type',
    remedy: 'pass a typed array on it: new Float32Array(buffer)',
    is: (value) => types.isAnyArrayBuffer(value) || types.isDataView(value),
  },
  {
    what: 'a URL',
    remedy:
      'read the file with readFeatures(engine, fileURLToPath(url)), or on the command line (softshard train --data)',
    is: (value) => typeof at(value, 'href') === 'string',
  },
  {
    what: 'a promise',
    remedy: 'await it',
    is: (value) => hasFunctions(value, 'then') && !(Symbol.asyncIterator in value),
  },
];

/** What a value is and what to call for its elements; undefined where nothing is known of it. */
export function adviceFor(value: unknown): string | undefined {
  if (typeof value === 'string') {
    return 'a text: read a file with readFeatures(engine, path) and readLabels(path), or on the command line (softshard train --data)';
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
    return types.isDataView(value) ? adviceForKind(value) : undefined;
  }
  return adviceForKind(value);
}

function adviceForKind(value: object): string | undefined {
  const kind = KINDS.find(({ is }) => is(value));
  return kind && `${kind.what}: ${kind.remedy}`;
}

/** How an array becomes one of this class: rows are arrays of their own, of which `from` would make NaN. */
export function conversionTo(className: string, value: unknown): string {
  const [first] = Array.isArray(value) ? value : [];
  if (Array.isArray(first)) return `${className}.from(rows.flat()) converts`;
  if (ArrayBuffer.isView(first)) return `${className}.from(rows.flatMap((row) => [...row])) converts`;
  return `${className}.from(…) converts`;
}
