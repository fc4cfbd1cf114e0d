import { expect, test } from 'vitest';
import { Message } from '#softshard/main/models/export/protobuf.js';
import { decode } from './onnx-reader.js';

async function bytesOf(message: Message): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  await message.writeTo(async (bytes) => {
    parts.push(bytes.slice());
  });
  return Buffer.concat(parts);
}

test('writes the bytes of the examples of the specification', async () => {
  expect((await bytesOf(new Message().integer(1, 150))).toString('hex')).toBe('089601');
  expect((await bytesOf(new Message().string(2, 'testing'))).toString('hex')).toBe('120774657374696e67');
  const inner = new Message().integer(1, 150);
  expect((await bytesOf(new Message().message(3, inner))).toString('hex')).toBe('1a03089601');
  expect((await bytesOf(new Message().integer(1, -2))).toString('hex')).toBe('08feffffffffffffffff01');
});

test('numbers, texts and bytes of any size come back, nested and in order', async () => {
  const numbers = [0, 1, 127, 128, 300, 2 ** 31, Number.MAX_SAFE_INTEGER, -1, -300];
  const large = Uint8Array.from({ length: 200_000 }, (_, i) => i % 251);
  const inner = new Message().string(1, 'größer').bytes(2, large).string(3, '');
  const message = new Message();
  for (const value of numbers) message.integer(5, value);
  message.message(2000, inner).bytes(6, Uint8Array.of(9));
  const bytes = await bytesOf(message);
  expect(bytes.length).toBe(message.byteLength);
  const fields = decode(bytes);
  expect(fields.get(5)).toEqual(numbers);
  expect(fields.get(6)).toEqual([Buffer.of(9)]);
  const found = decode(fields.get(2000)![0] as Uint8Array);
  expect(String(found.get(1))).toBe(String(Buffer.from('größer')));
  expect(Buffer.from(found.get(2)![0] as Uint8Array).equals(large)).toBe(true);
  expect(found.get(3)).toEqual([Buffer.alloc(0)]);
});
