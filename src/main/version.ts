// The version of this package. Not read from package.json, which bundled code does not find; a test holds it to that.
export const version = '0.1.0';
