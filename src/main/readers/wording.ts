// Texts of files in messages: cut where they are long.

const MAX_CHARACTERS = 60;
const MAX_NAMES = 20;

const shortened = (text: string): string =>
  text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text;

export const quoted = (text: string): string => JSON.stringify(shortened(text));

/** a, b and 3 more. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).map(shortened).join(', ');
  return names.length > MAX_NAMES ? `${shown} and ${names.length - MAX_NAMES} more` : shown;
}
