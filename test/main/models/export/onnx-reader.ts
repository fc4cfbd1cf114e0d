// Reads ONNX files and computes what they say, independently of what writes them: plain float64.
// Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

/** Fields of a message by number: numbers, or bytes. */
type Fields = ReadonlyMap<number, readonly (number | Uint8Array)[]>;

/** One protobuf message, to its last byte. */
export function decode(bytes: Uint8Array): Fields {
  const fields = new Map<number, (number | Uint8Array)[]>();
  let at = 0;
  const varint = (): number => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(BigInt.asIntN(64, value));
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const [field, wire] = [Math.floor(tag / 8), tag % 8];
    if (wire !== 0 && wire !== 2) throw new Error(`field ${field} has wire type ${wire}`);
    let value: number | Uint8Array = varint();
    if (wire === 2) {
      if (at + value > bytes.length) throw new Error(`field ${field} ends beyond its message`);
      value = bytes.subarray(at, at + value);
      at += value.length;
    }
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

const all = (fields: Fields, field: number) => fields.get(field) ?? [];
const number = (fields: Fields, field: number): number => Number(all(fields, field)[0]);
const bytesAt = (fields: Fields, field: number) => all(fields, field) as readonly Uint8Array[];
const messages = (fields: Fields, field: number): Fields[] => bytesAt(fields, field).map(decode);
const texts = (fields: Fields, field: number): string[] =>
  bytesAt(fields, field).map((bytes) => Buffer.from(bytes).toString());
const text = (fields: Fields, field: number): string => texts(fields, field)[0] ?? '';
const floats = (bytes: Uint8Array): number[] => [...new Float32Array(Uint8Array.from(bytes).buffer)];
const integers = (bytes: Uint8Array): number[] =>
  Array.from(new BigInt64Array(Uint8Array.from(bytes).buffer), Number);

export interface OnnxFile {
  readonly irVersion: number;
  /** Its name and version. */
  readonly producer: string;
  readonly opsets: Readonly<Record<string, number>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly operators: readonly string[];
  /** Name and dims, `rows` for any number. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Of inputs [rows × features]. */
  run(
    inputs: Float32Array,
    rows: number,
  ): { readonly label: readonly unknown[]; readonly probabilities: readonly number[] };
}

const ELEMENT_TYPES: Readonly<Record<number, string>> = { 1: 'float32', 7: 'int64', 8: 'string' };

function shownValue(info: Fields): string {
  const tensor = messages(messages(info, 2)[0]!, 1)[0]!;
  const dims = messages(messages(tensor, 2)[0]!, 1);
  const shown = dims.map((dim) => (dim.has(2) ? text(dim, 2) : String(number(dim, 1))));
  return `${text(info, 1)} ${ELEMENT_TYPES[number(tensor, 1)]} [${shown.join(', ')}]`;
}

export function readOnnx(file: Uint8Array): OnnxFile {
  const model = decode(file);
  const graph = messages(model, 7)[0]!;
  const nodes = messages(graph, 1);
  const constants = messages(graph, 5).map((tensor): [string, number[]] => {
    const values = number(tensor, 2) === 1 ? floats : integers;
    const data = values(bytesAt(tensor, 9)[0]!);
    const size = all(tensor, 1).reduce<number>((product, dim) => product * Number(dim), 1);
    if (size !== data.length) throw new Error(`${text(tensor, 8)} has ${data.length} of ${size} elements`);
    return [text(tensor, 8), data];
  });
  return {
    irVersion: number(model, 1),
    producer: `${text(model, 2)} ${text(model, 3)}`,
    opsets: Object.fromEntries(messages(model, 8).map((opset) => [text(opset, 1), number(opset, 2)])),
    metadata: Object.fromEntries(messages(model, 14).map((entry) => [text(entry, 1), text(entry, 2)])),
    operators: nodes.map((node) => text(node, 4)),
    inputs: messages(graph, 11).map(shownValue),
    outputs: messages(graph, 12).map(shownValue),
    run: (inputs, rows) => {
      const values = new Map<string, readonly unknown[]>([...constants, ['inputs', [...inputs]]]);
      for (const node of nodes) runNode(node, values, rows);
      return {
        label: values.get('label')!,
        probabilities: values.get('probabilities') as readonly number[],
      };
    },
  };
}

function softmax(logits: readonly number[]): number[] {
  const largest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function runNode(node: Fields, values: Map<string, readonly unknown[]>, rows: number): void {
  const [x = [], w = [], b = []] = texts(node, 1).map((name) => values.get(name) as readonly number[]);
  const [output = '', second = ''] = texts(node, 2);
  const columns = x.length / rows;
  const row = (index: number) => x.slice(index * columns, (index + 1) * columns);
  const numbers = Array.from({ length: rows }, (_, index) => index);
  const attributes = new Map(messages(node, 5).map((it) => [text(it, 1), it]));
  /** x [rows × columns] · weight(column, class) + bias. */
  const product = (weight: (column: number, index: number) => number, bias: readonly number[]) =>
    numbers.map((i) =>
      bias.map((value, index) => row(i).reduce((sum, it, column) => sum + it * weight(column, index), value)),
    );
  switch (text(node, 4)) {
    case 'Sub':
      values.set(
        output,
        x.map((value, i) => value - w[i % w.length]!),
      );
      return;
    case 'Gemm':
      values.set(output, product((column, index) => w[column * b.length + index]!, b).flat());
      return;
    case 'Softmax':
      values.set(
        output,
        numbers.flatMap((i) => softmax(row(i))),
      );
      return;
    case 'ArgMax':
      values.set(
        output,
        numbers.map((i) => row(i).indexOf(Math.max(...row(i)))),
      );
      return;
    case 'Gather':
      values.set(
        output,
        w.map((index) => x[index]!),
      );
      return;
    case 'LinearClassifier': {
      const list = (name: string) => floats(bytesAt(attributes.get(name)!, 7)[0]!);
      const [coefficients, intercepts] = [list('coefficients'), list('intercepts')];
      const logits = product((column, index) => coefficients[index * columns + column]!, intercepts);
      const names = attributes.get('classlabels_strings');
      const labels = names ? texts(names, 9) : all(attributes.get('classlabels_ints')!, 8);
      if (text(attributes.get('post_transform')!, 4) !== 'SOFTMAX') throw new Error('not softmax');
      values.set(
        output,
        logits.map((scores) => labels[scores.indexOf(Math.max(...scores))]!),
      );
      values.set(second, logits.flatMap(softmax));
      return;
    }
    default:
      throw new Error(`no such operator here: ${text(node, 4)}`);
  }
}
