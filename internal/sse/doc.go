// Package sse answers one question: how does an event look on the wire, both
// ways?
//
// Everything that orgcast sends is made here or from the pieces made here, so
// that three promises are kept in one place:
//
//   - A frame has exactly one `data:` line. Every text passes [AppendString] or
//     [AppendJSON], which leave no CR, LF, NUL or other control character, no
//     U+2028/9 and no `<`, and replace invalid UTF-8.
//   - `id`, `retry` and comments are printed from numbers only. A client's
//     cursor is parsed and printed again, never echoed.
//   - No frame has an `event:` field, so that EventSource.onmessage sees all.
//
// The package is pure: bytes in, bytes out.
package sse
