// All attacks, in the order in which a long run makes them.
import type { Attack } from './attack.js';
import { bombs } from './bombs.js';
import { cancels } from './cancels.js';
import { faults } from './faults.js';
import { files } from './files.js';
import { kills } from './kills.js';
import { poison } from './poison.js';
import { settings } from './settings.js';

export const ATTACKS: readonly Attack[] = [faults, cancels, kills, poison, settings, bombs, files];
