// What Piscina loads in each worker thread: it passes entry.js on by import(). Given entry.js itself, Piscina would
// require() that ES module, and Node 20 aborts the whole process when a thread is ended while it does so: an engine
// closed soon after its creation.

module.exports.run = import('./entry.js').then((entry) => entry.default);
