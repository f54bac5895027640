// Package session answers one question: who is asking, and until when?
//
// It reads the session cookie that the application has set already, so nothing
// changes in the application: the JWT strategies of Auth.js v5 ("authjs") and
// of NextAuth v4 ("nextauth"). Both are one encrypted token (JWE) that only a
// holder of the application's secret can make. Or, of both, the database strategy
// ("authjs-database"): the cookie is a random token, the session the row that
// holds it, found in a [Table] that somebody else keeps by the hash of the token.
//
// The package is pure but for [FromEnv], which may read the file of secrets: no
// network, no goroutine, no clock. Keys are derived once, by [New].
//
// What is checked of a token that seals itself, in this order; the first failure is the [Reason]:
//
//  1. The header lines are short enough to look at, the cookie is found by its
//     exact name, its chunks are complete, the token is short enough. Until here
//     nothing is copied but the chunks themselves.
//  2. The gate: five parts of canonical base64url, and a header that says direct
//     encryption, one of the scheme's two ciphers and nothing surprising. It
//     runs before the JOSE library's ciphers see a byte; its reader of JSON is not
//     used.
//  3. A key: by the token's key id, or the first secret if it has none.
//  4. The seal. Nothing that the token claims is looked at before.
//  5. The claims: one JSON object, a user, an expiry, the times.
//
// Invariants:
//
//   - It never accepts a token that the application would refuse, as far as the
//     token says. (An application's own callbacks may refuse more: they are its
//     code, invisible from here.) In one case a request is accepted that Auth.js
//     refuses: it joins a cookie of a similar name ("authjs.session-token-x")
//     to the token, and so logs the user out by mistake.
//   - One token has one spelling. A token that was altered in any bit, also in
//     the unused ones of base64, is refused.
//   - It is stricter than Auth.js where a stream needs it: a session without an
//     expiry or without a user, or from the future, opens nothing; chunks with a
//     hole are not joined; cookies of a similar name are not mixed in.
//   - A scheme reads its own kind of session and no other: a row is no session to
//     the JWT schemes, a sealed token none to the database scheme.
//   - A principal grants nothing. Organization claims in a token are not read.
//   - No secret, key, cookie, token or claim is in any error.
package session
