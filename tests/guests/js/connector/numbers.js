// Paging through the numbers from 1 to LAST. The cursor is `{ "after": n }`.

const LAST = 250;

export function nextPage(cursor, limit) {
  const after = Number.isInteger(cursor?.after) ? cursor.after : 0;
  const end = Math.min(LAST, after + Math.max(1, limit));
  const items = [];
  for (let n = after + 1; n <= end; n += 1) {
    items.push({ n });
  }
  const last = Math.max(after, end);
  return { items, next: { after: last }, more: last < LAST };
}
