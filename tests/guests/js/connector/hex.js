// Bytes from lower-case hexadecimal, or nothing where it is not that.
export function fromHex(hex) {
  if (hex.length % 2 !== 0 || !/^[0-9a-f]+$/.test(hex)) {
    return undefined;
  }
  return Uint8Array.from(hex.match(/../g), (pair) => Number.parseInt(pair, 16));
}
