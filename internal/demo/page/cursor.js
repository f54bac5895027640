// A cursor is "<epoch>.<LSN>.<index>", each in base 36. Epochs are compared for
// equality only; within one, LSN and then index are numbers of up to 64 bits,
// more than a Number holds.

const number = (digits) => {
  let n = 0n;
  for (const c of digits) n = n * 36n + BigInt(parseInt(c, 36));
  return n;
};

// isAfter tells whether cursor a is behind cursor b. Cursors of different epochs
// have no order: what can't be told to be old is taken as new, never dropped.
export function isAfter(a, b) {
  if (!b) return true;
  const [epochA, lsnA, indexA] = a.split(".");
  const [epochB, lsnB, indexB] = b.split(".");
  if (epochA !== epochB) return true;
  const x = number(lsnA), y = number(lsnB);
  return x !== y ? x > y : number(indexA) > number(indexB);
}
