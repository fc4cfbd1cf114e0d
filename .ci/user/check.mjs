import { Engine } from 'softshard';
import { softmax } from 'softshard/reference';

const engine = await Engine.create({ threads: 2 });
const { data } = await engine.softmax(Float32Array.of(1, 2, 3), { columns: 3 });
const expected = softmax([1, 2, 3]);
if (!data.every((value, i) => Math.abs(value - expected[i]) < 1e-6))
  throw new Error(`got ${data}, expected ${expected}`);
await engine.close();
console.log('softmax from the packed module is right on node', process.version);
