#!/usr/bin/env node
// The command `softshard`.

import { isInterruptedCode } from './failures.js';
import { unwatchSignals, watchSignals } from './interruption.js';

const argv = process.argv.slice(2);
watchSignals(argv);
// Before loading, which takes a while.
const { runCommandLine } = await import('./program.js');
const code = await runCommandLine(argv);
unwatchSignals();
// A reader that takes nothing would keep an interrupted command alive.
if (isInterruptedCode(code)) process.exit(code);
// Not process.exit: output on its way to a pipe must still get out.
process.exitCode = code;
