// A prediction server: node examples/server/server.js model.safetensors [port]
//
//   POST /predict with a row as JSON, [0.1, 0.2, …], gives { "class", "probability" }
//   POST /batch with rows, [[0.1, 0.2, …], …], gives { "classes" }
import { createServer } from 'node:http';
import { Predictor, SoftshardError } from 'softshard';

const MOST_BYTES = 16 * 1024 * 1024;

/** What is wrong with a request. */
class RequestError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const [path, port = '8080'] = process.argv.slice(2);
if (path === undefined) throw new Error('usage: node examples/server/server.js model.safetensors [port]');
// No engine and no threads: predict takes microseconds.
const predictor = await Predictor.load(path);

const nameOf = (predicted) => predictor.className(predicted) ?? predicted;

const routes = {
  'POST /predict': (row) => {
    const probabilities = predictor.predictProbabilities(row);
    const predicted = probabilities.indexOf(Math.max(...probabilities));
    return { class: nameOf(predicted), probability: probabilities[predicted] };
  },
  // Long batches give way to other requests.
  'POST /batch': async (rows) => ({ classes: Array.from(await predictor.predictBatch(rows), nameOf) }),
};

async function bodyOf(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new RequestError(413, `a body has at most ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks));
}

function statusOf(error) {
  if (error instanceof RequestError) return error.status;
  return error instanceof SoftshardError || error instanceof SyntaxError ? 400 : 500;
}

function send(response, status, answer) {
  const body = JSON.stringify(answer);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

const server = createServer(async (request, response) => {
  try {
    const route = routes[`${request.method} ${request.url}`];
    if (route === undefined) throw new RequestError(404, `there are ${Object.keys(routes).join(', ')}`);
    send(response, 200, await route(await bodyOf(request)));
  } catch (error) {
    const status = statusOf(error);
    if (status === 500) console.error(error);
    send(response, status, { error: status === 500 ? 'internal error' : error.message });
  }
});

server.listen(Number(port), () => {
  const { features, classes } = predictor;
  console.log(`port ${server.address().port}: ${features} features, ${classes} classes`);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close(() => predictor.close());
    server.closeIdleConnections();
  });
}
