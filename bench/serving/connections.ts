// Requests over many connections at once, by bare sockets: a client of node:http would take longer than the servers do.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Bodies of requests and the answers that are right. */
export interface Exchange {
  readonly bodies: readonly Buffer[];
  readonly answers: readonly string[];
}

/** Over `count` connections, each of which sends its next request when the answer is there, for so long. */
export async function converse(
  port: number,
  count: number,
  { bodies, answers }: Exchange,
  ms: number,
): Promise<{ answered: number; seconds: number }> {
  const requests = bodies.map((body) => {
    const head = `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), body]);
  });
  const sockets = Array.from({ length: count }, () => connect({ port, host: '127.0.0.1', noDelay: true }));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  const begin = performance.now();
  const counts = await Promise.all(
    sockets.map((socket, first) => converseOver(socket, requests, answers, first, begin + ms)),
  );
  const seconds = (performance.now() - begin) / 1000;
  return { answered: counts.reduce((sum, each) => sum + each, 0), seconds };
}

/** Resolves with the number of answers, which come whole: they are short. */
function converseOver(
  socket: Socket,
  requests: readonly Buffer[],
  answers: readonly string[],
  first: number,
  end: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let answered = 0;
    const at = () => (first + answered) % requests.length;
    socket.on('error', reject);
    socket.on('data', (data) => {
      const text = data.toString('latin1');
      if (!text.endsWith(`\r\n\r\n${answers[at()]}`)) {
        reject(new Error(`in place of ${answers[at()]}: ${text}`));
      }
      answered++;
      if (performance.now() < end) socket.write(requests[at()]!);
      else socket.end(() => resolve(answered));
    });
    socket.write(requests[at()]!);
  });
}
