// A process that starts an engine (threads: the argument) and computes one result: its times, as a line of JSON.
const begin = performance.now();
const { Engine } = await import('#softshard/main/index.js');
const imported = performance.now();
const engine = await Engine.create({ threads: Number(process.argv[2]) });
const logits = engine.matrix(64, 1024);
await engine.softmax(logits, { into: logits });
const ended = performance.now();
console.log(JSON.stringify({ importMs: imported - begin, firstResultMs: ended - imported }));
await engine.close();
