// Outputs as commands check them before they work.
import { linkSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { UsageError } from '#softshard/main/cli/failures.js';
import { checkOutputs, chooseOutput } from '#softshard/main/cli/files.js';
import { failure, useFolder } from '../data/workbench.js';

const folder = useFolder();
let input: string;

beforeEach(() => {
  input = folder.file('input', 'read');
});

const at = (name: string): string => join(folder.path, name);

const usageError = async (call: Promise<unknown>, ...parts: string[]): Promise<void> => {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UsageError);
  for (const part of parts) expect(String(error)).toContain(part);
};

// Links need a permission on Windows.
describe.skipIf(process.platform === 'win32')('an output with several names', () => {
  test('replaces no input by any of them', async () => {
    mkdirSync(at('sub'));
    linkSync(input, at('hard'));
    symlinkSync('input', at('soft'));
    symlinkSync('.', at('here'));
    const names = ['input', 'hard', 'soft', 'here/input', './input', 'sub/../here/soft'];
    for (const name of names) {
      const check = checkOutputs({ '--output': `${folder.path}/${name}` }, [undefined, input]);
      await failure(check, 'ERR_FILE', name, `would replace ${input}, which is read: choose another name`);
    }
    // The other way round: the input is the link.
    await failure(checkOutputs({ '--output': input }, [at('soft')]), 'ERR_FILE', 'would replace');
    expect(readFileSync(input, 'utf8')).toBe('read');
    expect(folder.names()).toEqual(['hard', 'here', 'input', 'soft', 'sub']);
  });

  test('is no second output, be it there already or not', async () => {
    symlinkSync('yet', at('link'));
    const check = () => checkOutputs({ '--gradient': at('yet'), '--losses': at('link') }, [input]);
    const message = `--gradient and --losses both name ${at('link')}: they must be two files`;
    await usageError(check(), message);
    folder.file('yet', 'former');
    await usageError(check(), message);
  });
});

test('devices take two outputs, standard output one and no JSON beside it (F9)', async () => {
  const stdout = '/dev/stdout';
  const outputs = await checkOutputs(
    { '--losses': at('a'), '--gradient': stdout, '--none': undefined },
    [],
    undefined,
  );
  expect(outputs).toEqual([
    { kind: 'file', path: at('a'), exists: false },
    { kind: 'descriptor', path: stdout, descriptor: 1 },
  ]);
  await usageError(checkOutputs({ '--losses': stdout, '--gradient': stdout }, []), 'both name /dev/stdout');
  await usageError(
    checkOutputs({ '--output': stdout }, [], true),
    '--json and --output /dev/stdout both take standard output: name a file, or leave --json out',
  );
  if (process.platform === 'win32') return;
  const none = '/dev/null';
  expect(await checkOutputs({ '--losses': none, '--gradient': none }, [], true)).toMatchObject([
    { kind: 'device' },
    { kind: 'device' },
  ]);
});

describe('the name that an output has when none is given', () => {
  const name = () => at('default');
  const choose = (flags: object, mayBeReplaced?: () => Promise<boolean>) =>
    chooseOutput(flags, name(), [input], mayBeReplaced);

  test('is taken where there is nothing, not even behind a link', async () => {
    expect(await choose({})).toEqual({
      path: name(),
      target: { kind: 'file', path: name(), exists: false },
    });
    if (process.platform === 'win32') return;
    symlinkSync('yet', name());
    expect((await choose({})).target).toEqual({ kind: 'file', path: at('yet'), exists: false });
    folder.file('yet', 'former');
    await usageError(choose({}), name(), 'is there already', '--output', '--force');
  });

  test('is refused where there is a file, unless it is forced, named, or one that may be replaced', async () => {
    folder.file('default', 'former');
    await usageError(choose({}), name(), 'is there already', '--output', '--force');
    await usageError(
      choose({}, async () => false),
      '--force',
    );
    for (const flags of [{ force: true }, { output: name() }])
      expect(await choose(flags)).toMatchObject({ path: name() });
    expect(await choose({}, async () => true)).toMatchObject({ path: name() });
    expect(readFileSync(name(), 'utf8')).toBe('former');
  });
});
