// What inputs are called in messages that are read from a copy: by the names that were given.

const names = new Map<string, string>();

export const showAs = (path: string, name: string): void => void names.set(path, name);

/** A path for reports. */
export const shownPath = (path: string): string => names.get(path) ?? path;

/** A message in which copies have the names of what they are copies of. */
export function inShownPaths(message: string): string {
  let shown = message;
  for (const [path, name] of names) shown = shown.replaceAll(path, name);
  return shown;
}
