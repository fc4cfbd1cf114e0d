import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const NEEDS = fileURLToPath(new URL('../../tools/needs.cjs', import.meta.url));

/** As that version of Node would see it. */
function needsOn(version: string, command: string) {
  const code = `
    Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });
    process.argv[2] = '${command}';
    require(${JSON.stringify(NEEDS)});`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--eval', code, command], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

test.each(['20.18.3', '18.20.4', '9.11.2'])(
  'Node %s is refused with the version that is needed',
  (version) => {
    expect(needsOn(version, 'test')).toEqual({
      status: 1,
      stdout: '',
      stderr: `softshard needs Node 20.19 or newer, and this is Node ${version}.\n`,
    });
  },
);

test.each(['start', 'test'])('npm %s says on one line what it needs and how long it takes', (command) => {
  for (const version of ['20.19.0', '22.0.0', '100.1.0']) {
    const { status, stdout, stderr } = needsOn(version, command);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(
      new RegExp(`^npm ${command} needs Node 20\\.19 or newer and npm, nothing else\\. It builds for .*\\n$`),
    );
  }
});
