// What `npm start` and `npm test` say first: what they need, and how long they take. Old versions of Node run this too,
// and end here with the reason.
const { engines } = require('../package.json');

const DURATIONS = {
  start: 'It builds for half a minute, then trains for some seconds.',
  test: 'It builds for half a minute, then tests for 8 to 12 minutes on two cores.',
};

const needed = engines.node.replace('>=', '');
const [major, minor] = process.versions.node.split('.').map(Number);
const [neededMajor, neededMinor] = needed.split('.').map(Number);
if (major < neededMajor || (major === neededMajor && minor < neededMinor)) {
  console.error(`softshard needs Node ${needed} or newer, and this is Node ${process.versions.node}.`);
  process.exit(1);
}
const command = process.argv[2];
console.log(`npm ${command} needs Node ${needed} or newer and npm, nothing else. ${DURATIONS[command]}`);
