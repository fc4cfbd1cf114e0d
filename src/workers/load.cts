// What Piscina loads in each worker thread: it passes entry.js on by import(). Given entry.js itself, Piscina would
// require() that ES module, and Node 20 aborts the whole process when a thread is ended while it does so: an engine
// closed soon after its creation.
const { threadId, workerData } = require('node:worker_threads') as typeof import('node:worker_threads');

// As whileLoading does: a thread that is ended while it imports leaves the files open that it reads.
const { loading } = (workerData as { modules: { loading: Int32Array } }).modules;
const place = 1 + (threadId % (loading.length - 1));
const isDone = (): void => {
  Atomics.store(loading, place, 0);
};
Atomics.store(loading, place, threadId + 1);
if (Atomics.load(loading, 0) === 0) {
  module.exports.run = import('./entry.js').then((entry) => entry.default).finally(isDone);
} else {
  // For ever: it is about to be ended.
  module.exports.run = new Promise<never>(() => {});
  isDone();
}
