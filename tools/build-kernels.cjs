// Compiles both builds of the kernels side by side: each takes one core for a quarter of a minute.
const { spawn } = require('node:child_process');

for (const build of ['portable', 'fast']) {
  spawn(`npm run build:${build}`, { shell: true, stdio: 'inherit' }).on('exit', (code) => {
    if (code !== 0) process.exitCode = 1;
  });
}
