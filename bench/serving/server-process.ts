// A small HTTP server that answers with the class of a row: by a predictor, or by a plain JavaScript loop. Its arguments: what
// computes, the form of a row's body, and the model file. Sends its
// port to the process that started it, and its processor time when asked.
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Predictor, readModelFile } from '#softshard/main/index.js';
import { plainLoop } from './plain-loop.js';

const [computes, form, path = ''] = process.argv.slice(2);
const predictor = await Predictor.load(path);
const predict =
  computes === 'predictor'
    ? (row: ArrayLike<number>) => predictor.predict(row as Float32Array)
    : plainLoop(await readModelFile(path));

const rowOf = (body: Buffer): ArrayLike<number> =>
  form === 'JSON' ? (JSON.parse(body.toString()) as number[]) : new Float32Array(new Uint8Array(body).buffer);

function answer(request: IncomingMessage, respond: (body: string) => void): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () =>
    respond(String(predict(rowOf(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))))),
  );
}

const server = createServer((request, response) => {
  answer(request, (body) => {
    response.writeHead(200, { 'content-length': body.length });
    response.end(body);
  });
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('message', () => process.send?.(process.cpuUsage()));
process.once('disconnect', () => process.exit());
