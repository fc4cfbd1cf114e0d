// Reads one file in a process of its own and tells on standard output how it went: a crash or a flood of memory is its own.
import { readClassNames } from '#softshard/main/cli/classes.js';
import {
  hostMemory,
  openNpy,
  readCsv,
  readLabels,
  readMatrix,
  readModelFile,
} from '#softshard/main/index.js';

const READERS = {
  readMatrix: (path) => readMatrix(hostMemory, path),
  readCsv: (path) => readCsv(hostMemory, path, { labelColumn: -1 }),
  readLabels: (path) => readLabels(path),
  readModelFile: (path) => readModelFile(path),
  readClassNames: (path) => readClassNames(path),
  openNpy: async (path) => (await openNpy(path)).close(),
};

const [reader, path] = process.argv.slice(2);
const begin = performance.now();
let error;
try {
  await READERS[reader](path);
} catch (thrown) {
  error = {
    name: thrown?.name,
    code: thrown?.code,
    message: String(thrown?.message ?? thrown)
      .replaceAll(path, '')
      .slice(0, 5000),
  };
}
const { maxRSS } = process.resourceUsage();
console.log(JSON.stringify({ error, ms: performance.now() - begin, peakBytes: maxRSS * 1024 }));
