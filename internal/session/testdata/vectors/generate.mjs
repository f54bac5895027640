// Makes vectors.json: cookies as the real libraries set them, and what becomes
// of them when somebody bends them. Every vector also carries what the
// application's own library answers at that time ("app"), so that the test can
// hold ours against it: we may refuse more, never accept more.
//
//   npm install --legacy-peer-deps --no-package-lock && node generate.mjs
import { writeFileSync } from "node:fs"
import { createHmac, createCipheriv, randomBytes } from "node:crypto"
import { deflateRawSync } from "node:zlib"
import { mock } from "node:test"
import { hkdf } from "@panva/hkdf"
import * as jose from "jose"
import * as v5 from "next-auth/jwt"
import * as beta4 from "auth-core-beta4/jwt"
import v4 from "next-auth-v4/jwt"

const T0 = Date.parse("2026-01-15T12:00:00Z") / 1000
const HOUR = 3600
const SECRET = "correct horse battery staple 0123456789"
const OLD = "an older secret, rotated out last week"
const V5 = "authjs.session-token"
const V5S = "__Secure-authjs.session-token"
const V4 = "next-auth.session-token"
const V4S = "__Secure-next-auth.session-token"

mock.timers.enable({ apis: ["Date"], now: T0 * 1000 })
const at = (seconds) => mock.timers.setTime(seconds * 1000)
const iso = (seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z")
const b64 = (x) => Buffer.from(x).toString("base64url")
const quiet = { debug() {}, warn() {}, error() {} }

// --- what the libraries make
const alice = { sub: "user_alice", name: "Alice", email: "alice@example.com", picture: null }

async function encode5(token, { secret = SECRET, salt = V5, maxAge = HOUR, issued = T0 } = {}) {
  at(issued)
  return v5.encode({ token, secret, salt, maxAge })
}
async function encode4(token, { secret = SECRET, maxAge = HOUR, issued = T0 } = {}) {
  at(issued)
  return v4.encode({ token, secret, maxAge })
}

// --- what they would never make: the same keys, other contents
const key5 = (secret, salt, length) => hkdf("sha256", secret, salt, `Auth.js Generated Encryption Key (${salt})`, length)
const key4 = (secret) => hkdf("sha256", secret, "", "NextAuth.js Generated Encryption Key", 32)
const thumb = (key) => jose.calculateJwkThumbprint({ kty: "oct", k: b64(key) }, `sha${key.length * 8}`)

// seal5 and seal4 encrypt any bytes under any direct header.
async function seal5(plaintext, { secret = SECRET, salt = V5, enc = "A256CBC-HS512", kid = true, header = {} } = {}) {
  const key = await key5(secret, salt, enc === "A256GCM" ? 32 : 64)
  const h = { alg: "dir", enc, ...(kid ? { kid: await thumb(key) } : {}), ...header }
  return seal(key, h, plaintext)
}
const seal4 = async (plaintext, { secret = SECRET, header = {} } = {}) =>
  seal(await key4(secret), { alg: "dir", enc: "A256GCM", ...header }, plaintext)

// By hand, for headers that a library would not write. rawHeader wins over h.
function seal(key, h, plaintext, rawHeader) {
  const protectedHeader = b64(rawHeader ?? JSON.stringify(h))
  const text = typeof plaintext === "string" || Buffer.isBuffer(plaintext) ? Buffer.from(plaintext) : Buffer.from(JSON.stringify(plaintext))
  if (h.enc === "A256GCM") {
    const iv = randomBytes(12)
    const c = createCipheriv("aes-256-gcm", key, iv)
    c.setAAD(Buffer.from(protectedHeader))
    const ct = Buffer.concat([c.update(text), c.final()])
    return [protectedHeader, "", b64(iv), b64(ct), b64(c.getAuthTag())].join(".")
  }
  const iv = randomBytes(16)
  const c = createCipheriv("aes-256-cbc", key.subarray(32), iv)
  const ct = Buffer.concat([c.update(text), c.final()])
  const bits = Buffer.alloc(8)
  bits.writeBigUInt64BE(BigInt(protectedHeader.length * 8))
  const tag = createHmac("sha512", key.subarray(0, 32)).update(protectedHeader).update(iv).update(ct).update(bits).digest().subarray(0, 32)
  return [protectedHeader, "", b64(iv), b64(ct), b64(tag)].join(".")
}

// chunks as Auth.js cuts them.
const chunk = (name, token, size = 3936) => {
  const out = []
  for (let i = 0; i * size < token.length; i++) out.push(`${name}.${i}=${token.slice(i * size, (i + 1) * size)}`)
  return out
}
const big = (n) => ({ ...alice, orgs: Array.from({ length: n }, (_, i) => `org_${String(i).padStart(20, "0")}`) })

// --- the application's own answer
async function appAnswers({ scheme, name, salt, secrets }, header, seconds) {
  at(seconds)
  const req = { headers: new Headers({ cookie: header }) }
  let token = null
  try {
    if (scheme === "nextauth") {
      // v4 reads req.cookies; the Pages API parses as cookie@0.7 does, first wins.
      const cookies = {}
      for (const pair of header.split(";")) {
        const eq = pair.indexOf("=")
        if (eq < 0) continue
        const k = pair.slice(0, eq).trim()
        let v = pair.slice(eq + 1).trim()
        try { v = decodeURIComponent(v) } catch { /* as it is */ }
        if (!(k in cookies)) cookies[k] = v
      }
      token = await v4.getToken({ req: { headers: {}, cookies }, cookieName: name, secret: secrets[0], logger: quiet })
    } else {
      token = await v5.getToken({ req, cookieName: name, salt: salt ?? name, secret: secrets, logger: quiet })
    }
  } catch { token = null }
  return token !== null && typeof token === "object"
}

const vectors = []
// add writes one vector. app: whose library is asked, and with which name.
async function add(name, { config = {}, cookies, when = T0, expect, app }) {
  cookies = [cookies].flat()
  const c = { secrets: [SECRET], ...config }
  app = { scheme: "authjs", name: V5, salt: c.salt, secrets: c.secrets, ...app }
  vectors.push({ name, config: c, cookies, at: iso(when), expect, app: await appAnswers(app, cookies.join("; "), when) })
}
const ok = (userId = "user_alice", expires = T0 + HOUR, scheme = "authjs") =>
  ({ valid: true, scheme, userId, expiresAt: iso(expires) })
const ok4 = (userId, expires) => ok(userId, expires, "nextauth")
const no = (reason) => ({ valid: false, reason })
const app4 = { scheme: "nextauth", name: V4 }

// --- 1. as the libraries make them
const t5 = await encode5(alice)
const t5s = await encode5(alice, { salt: V5S })
const t4 = await encode4(alice)
await add("v5, plain name", { cookies: `${V5}=${t5}`, expect: ok() })
await add("v5, secure name", { cookies: `${V5S}=${t5s}`, expect: ok(), app: { name: V5S } })
await add("v5, https only, secure name", { config: { secure: "only" }, cookies: `${V5S}=${t5s}`, expect: ok(), app: { name: V5S } })
await add("v5, https only, plain name is not looked for", { config: { secure: "only" }, cookies: `${V5}=${t5}`, expect: no("absent"), app: { name: V5S } })
await add("v5, http only, plain name", { config: { secure: "never" }, cookies: `${V5}=${t5}`, expect: ok() })
await add("v5, http only, secure name is not looked for", { config: { secure: "never" }, cookies: `${V5S}=${t5s}`, expect: no("absent") })
await add("v5, token of the secure name under the plain name", { cookies: `${V5}=${t5s}`, expect: no("unknown_key") })
await add("v5, secure name wins over plain", { cookies: `${V5}=${await encode5({ sub: "planted" })}; ${V5S}=${t5s}`, expect: ok(), app: { name: V5S } })
await add("v5, bad token under the secure name is not passed over", { cookies: `${V5S}=${t5}; ${V5}=${t5}`, expect: no("unknown_key"), app: { name: V5S } })
await add("v5, among other cookies", { cookies: `theme=dark; a; =b; ${V5}=${t5} ; x="y; z"`, expect: ok() })
await add("v5, in a second header line", { cookies: ["theme=dark", `${V5}=${t5}`], expect: ok() })
await add("v5, scheme authjs", { config: { scheme: "authjs" }, cookies: `${V5}=${t5}`, expect: ok() })
await add("v5, scheme nextauth does not look for it", { config: { scheme: "nextauth" }, cookies: `${V5}=${t5}`, expect: no("absent"), app: app4 })
await add("v5, unicode claims and user", { cookies: `${V5}=${await encode5({ sub: "Ζωή-用户-👩‍🚀", name: "Ζωή \u0000\u2028 </script>" })}`, expect: ok("Ζωή-用户-👩‍🚀") })
await add("v5, escaped user", { cookies: `${V5}=${await seal5(`{"sub":"\\u0061l\\u0069ce","exp":${T0 + HOUR}}`)}`, expect: ok("alice") })
await add("v5, percent-encoded dots", { cookies: `${V5}=${t5.replaceAll(".", "%2E")}`, expect: ok() })
await add("v5, percent-encoded whole", { cookies: `${V5}=${[...Buffer.from(t5)].map((b) => "%" + b.toString(16).padStart(2, "0")).join("")}`, expect: ok() })
await add("v5, bad percent-encoding", { cookies: `${V5}=${t5}%zz`, expect: no("malformed") })
await add("v5, percent-encoded line break", { cookies: `${V5}=${t5}%0a`, expect: no("malformed") })
await add("v5, line break inside a part", { cookies: `${V5}=${t5.replace("..", "..%0a")}`, expect: no("malformed") })
await add("v5, in quotes", { cookies: `${V5}="${t5}"`, expect: no("malformed") })
await add("v5, sign-in with custom claims", { cookies: `${V5}=${await encode5({ ...alice, id: "db_1", role: "ADMIN", organizationId: "org_b" })}`, expect: ok() })
await add("v5, without jti", { cookies: `${V5}=${await seal5({ sub: "user_alice", exp: T0 + HOUR })}`, expect: ok() })
await add("v4, plain name", { cookies: `${V4}=${t4}`, expect: ok4(), app: app4 })
await add("v4, secure name", { cookies: `${V4S}=${t4}`, expect: ok4(), app: { ...app4, name: V4S } })
await add("v4, https only, secure name", { config: { secure: "only" }, cookies: `${V4S}=${t4}`, expect: ok4(), app: { ...app4, name: V4S } })
await add("v4, https only, plain name is not looked for", { config: { secure: "only" }, cookies: `${V4}=${t4}`, expect: no("absent"), app: { ...app4, name: V4S } })
await add("v4, scheme nextauth", { config: { scheme: "nextauth" }, cookies: `${V4}=${t4}`, expect: ok4(), app: app4 })
await add("v4, scheme authjs does not look for it", { config: { scheme: "authjs" }, cookies: `${V4}=${t4}`, expect: no("absent") })
await add("v4, left over beside v5", { cookies: `${V4}=${t4}; ${V5}=${await encode5({ sub: "user_bob" })}`, expect: ok("user_bob") })
await add("v4, token under the v5 name", { cookies: `${V5}=${t4}`, expect: no("tampered") })
await add("v5, token under the v4 name", { cookies: `${V4}=${t5}`, expect: no("unsupported"), app: app4 })

// --- 2. keys
const rotated = { secrets: [SECRET, OLD] }
const t5old = await encode5(alice, { secret: OLD })
await add("v5, kid of the second secret", { config: rotated, cookies: `${V5}=${t5old}`, expect: ok() })
await add("v5, kid of the first secret", { config: rotated, cookies: `${V5}=${t5}`, expect: ok() })
await add("v5, kid of no secret", { cookies: `${V5}=${t5old}`, expect: no("unknown_key") })
await add("v5, wrong secret, no kid", { cookies: `${V5}=${await seal5({ ...alice, exp: T0 + HOUR }, { secret: OLD, kid: false })}`, expect: no("tampered") })
await add("v5, no kid, first secret", { config: rotated, cookies: `${V5}=${await seal5({ ...alice, exp: T0 + HOUR }, { kid: false })}`, expect: ok() })
await add("v5, no kid, second secret is not tried", { config: rotated, cookies: `${V5}=${await seal5({ ...alice, exp: T0 + HOUR }, { secret: OLD, kid: false })}`, expect: no("tampered") })
await add("v5, empty kid", { cookies: `${V5}=${await seal5({ ...alice, exp: T0 + HOUR }, { header: { kid: "" } })}`, expect: no("unknown_key") })
await add("v5, kid of our key, sealed with another", { config: rotated, cookies: `${V5}=${seal(await key5(OLD, V5, 64), { alg: "dir", enc: "A256CBC-HS512", kid: await thumb(await key5(SECRET, V5, 64)) }, { ...alice, exp: T0 + HOUR })}`, expect: no("tampered") })
at(T0)
await add("v5, first betas (A256GCM)", { cookies: `${V5}=${await beta4.encode({ token: alice, secret: SECRET, salt: V5, maxAge: HOUR })}`, expect: ok() })
await add("v5, A256GCM with kid", { cookies: `${V5}=${await seal5({ ...alice, exp: T0 + HOUR }, { enc: "A256GCM" })}`, expect: ok() })
await add("v5, A256GCM with kid, second secret", { config: rotated, cookies: `${V5}=${await seal5({ ...alice, exp: T0 + HOUR }, { enc: "A256GCM", secret: OLD })}`, expect: ok() })
await add("v4, wrong secret", { cookies: `${V4}=${await encode4(alice, { secret: OLD })}`, expect: no("tampered"), app: app4 })
await add("v4, second secret is not tried", { config: rotated, cookies: `${V4}=${await encode4(alice, { secret: OLD })}`, expect: no("tampered"), app: app4 })
await add("v4, with a kid", { cookies: `${V4}=${await seal4({ ...alice, exp: T0 + HOUR }, { header: { kid: "k" } })}`, expect: no("unsupported"), app: app4 })

// --- 3. names and salts of the application's own
const own = { cookie: "acme.session" }
const t5own = await encode5(alice, { salt: "acme.session" })
const appOwn = { name: "acme.session" }
await add("own name, v5 by its cipher", { config: own, cookies: `acme.session=${t5own}`, expect: ok(), app: appOwn })
await add("own name, v5 A256GCM by its kid", { config: own, cookies: `acme.session=${await seal5({ ...alice, exp: T0 + HOUR }, { salt: "acme.session", enc: "A256GCM" })}`, expect: ok(), app: appOwn })
await add("own name, v4 by its missing kid", { config: own, cookies: `acme.session=${t4}`, expect: ok4(), app: { ...app4, ...appOwn } })
await add("own name, v5 without a kid", { config: own, cookies: `acme.session=${await seal5({ ...alice, exp: T0 + HOUR }, { salt: "acme.session", kid: false })}`, expect: ok(), app: appOwn })
await add("own name, the default names are not looked for", { config: own, cookies: `${V5}=${t5}; ${V4}=${t4}`, expect: no("absent"), app: appOwn })
await add("own name, scheme nextauth, v5 token", { config: { ...own, scheme: "nextauth" }, cookies: `acme.session=${t5own}`, expect: no("unsupported"), app: { ...app4, ...appOwn } })
await add("own name is v4's, v5 token", { config: { cookie: V4S }, cookies: `${V4S}=${await encode5(alice, { salt: V4S })}`, expect: ok(), app: { name: V4S } })
await add("own name and salt", { config: { ...own, salt: "pepper" }, cookies: `acme.session=${await encode5(alice, { salt: "pepper" })}`, expect: ok(), app: appOwn })
await add("own salt, token of the name's", { config: { ...own, salt: "pepper" }, cookies: `acme.session=${t5own}`, expect: no("unknown_key"), app: appOwn })
await add("__Host- name", { config: { cookie: "__Host-s" }, cookies: `__Host-s=${await encode5(alice, { salt: "__Host-s" })}`, expect: ok(), app: { name: "__Host-s" } })
await add("own user claim", { config: { userClaim: "id" }, cookies: `${V5}=${await encode5({ ...alice, id: "db_1" })}`, expect: ok("db_1") })
await add("own user claim, not there", { config: { userClaim: "id" }, cookies: `${V5}=${t5}`, expect: no("no_user") })

// --- 4. chunks
const b5 = await encode5(big(300))
const c5 = chunk(V5, b5)
const b4 = await encode4(big(300))
await add("v5, chunks", { cookies: c5.join("; "), expect: ok() })
await add("v5, chunks in reverse order", { cookies: c5.toReversed().join("; "), expect: ok() })
await add("v5, chunks over header lines", { cookies: c5, expect: ok() })
await add("v5, chunks of the secure name", { cookies: chunk(V5S, await encode5(big(300), { salt: V5S })).join("; "), expect: ok(), app: { name: V5S } })
await add("v4, chunks", { cookies: chunk(V4, b4, 3933).join("; "), expect: ok4(), app: app4 })
await add("v5, eleven small chunks, order of numbers", { cookies: chunk(V5, t5, Math.ceil(t5.length / 11)).sort().join("; "), expect: ok() })
await add("v5, one chunk", { cookies: `${V5}.0=${t5}`, expect: ok() })
await add("v5, percent-encoded chunks", { cookies: c5.map((c) => c.replace(/\.(?=[^.=]*$)/, "%2E")).join("; "), expect: ok() })
await add("v5, hole in chunks", { cookies: [c5[0], ...c5.slice(2)].join("; "), expect: no("bad_chunks") })
await add("v5, first chunk missing", { cookies: c5.slice(1).join("; "), expect: no("bad_chunks") })
await add("v5, last chunk missing", { cookies: c5.slice(0, -1).join("; "), expect: no("malformed") })
await add("v5, name beside name.0", { cookies: `${V5}=${t5}; ${c5.join("; ")}`, expect: no("bad_chunks") })
await add("v5, emptied name beside chunks", { cookies: `${V5}=; ${c5.join("; ")}`, expect: ok() })
await add("v5, emptied chunks beside name", { cookies: `${V5}.0=; ${V5}.1=; ${V5}=${t5}`, expect: ok() })
await add("v5, numbers with a leading zero are no chunks", { cookies: `${V5}.00=x; ${V5}=${t5}`, expect: ok() })
await add("v5, similar names are not joined", { cookies: `${V5}-x=1; ${V5}.x=2; ${V5}.=3; ${V5}.-1=4; ${V5}.+1=5; x${V5}=6; ${V5}=${t5}`, expect: ok() })
await add("v5, names differ in case", { cookies: `AuthJS.session-token=${t5}`, expect: no("absent") })
await add("v5, sixteen chunks", { cookies: chunk(V5, t5, Math.ceil(t5.length / 16)).join("; "), expect: ok() })
await add("v5, seventeen chunks", { cookies: chunk(V5, t5, Math.ceil(t5.length / 17)).join("; "), expect: no("bad_chunks") })
await add("v5, chunk with a huge number", { cookies: `${V5}.99999999999999999999=x; ${V5}=${t5}`, expect: no("bad_chunks") })
await add("v5, token of 33 KiB", { cookies: chunk(V5, await encode5({ ...alice, pad: "x".repeat(25_000) })).join("; "), expect: no("oversize") })
await add("v5, token of nearly 32 KiB", { cookies: chunk(V5, await encode5({ ...alice, pad: "x".repeat(24_000) })).join("; "), expect: ok() })
await add("header of 66 KB", { cookies: `pad=${"x".repeat(66_000)}; ${V5}=${t5}`, expect: no("oversize") })

// --- 5. duplicates and absence
const bob = await encode5({ sub: "user_bob" })
await add("first duplicate wins", { cookies: `${V5}=${t5}; ${V5}=${bob}`, expect: ok() })
await add("first duplicate wins, though it is bad", { cookies: `${V5}=x; ${V5}=${t5}`, expect: no("malformed") })
await add("first duplicate wins, though it is empty", { cookies: `${V5}=; ${V5}=${t5}`, expect: no("absent") })
await add("first duplicate of a chunk wins", { cookies: `${c5.join("; ")}; ${V5}.1=x`, expect: ok() })
await add("no cookie", { cookies: "", expect: no("absent") })
await add("no header line", { cookies: [], expect: no("absent") })
await add("emptied cookie", { cookies: `${V5}=; ${V5}.0=`, expect: no("absent") })
await add("name without value", { cookies: V5, expect: no("absent") })

// --- 6. time
const exp = T0 + HOUR
await add("expired 14 s ago", { cookies: `${V5}=${t5}`, when: exp + 14, expect: ok() })
await add("expired 15 s ago", { cookies: `${V5}=${t5}`, when: exp + 15, expect: no("expired") })
await add("expired 16 s ago", { cookies: `${V5}=${t5}`, when: exp + 16, expect: no("expired") })
await add("v4, expired 14 s ago", { cookies: `${V4}=${t4}`, when: exp + 14, expect: ok4(), app: app4 })
await add("v4, expired 15 s ago", { cookies: `${V4}=${t4}`, when: exp + 15, expect: no("expired"), app: app4 })
const claims = async (extra, o) => `${V5}=${await seal5({ sub: "user_alice", exp, ...extra }, o)}`
await add("nbf 15 s ahead", { cookies: await claims({ nbf: T0 + 15 }), expect: ok() })
await add("nbf 16 s ahead", { cookies: await claims({ nbf: T0 + 16 }), expect: no("not_yet_valid") })
await add("iat 5 minutes ahead", { cookies: await claims({ iat: T0 + 300 }), expect: ok() })
await add("iat more than 5 minutes ahead", { cookies: await claims({ iat: T0 + 301 }), expect: no("issued_ahead") })
await add("v5, no exp", { cookies: await claims({ exp: undefined }), expect: no("no_expiry") })
await add("v4, no exp", { cookies: `${V4}=${await seal4({ sub: "user_alice" })}`, expect: no("no_expiry"), app: app4 })
await add("exp with a fraction", { cookies: await claims({ exp: T0 - 14.5 }), expect: ok("user_alice", T0 - 15) })
await add("exp as a string", { cookies: await claims({ exp: String(exp) }), expect: no("bad_claims") })
await add("exp null", { cookies: await claims({ exp: null }), expect: no("bad_claims") })
await add("exp true", { cookies: await claims({ exp: true }), expect: no("bad_claims") })
await add("exp infinite", { cookies: `${V5}=${await seal5('{"sub":"user_alice","exp":1e999}')}`, expect: no("bad_claims") })
await add("exp beyond the year 9999", { cookies: await claims({ exp: 1e15 }), expect: ok("user_alice", 253402300799) })
await add("exp negative", { cookies: await claims({ exp: -1e300 }), expect: no("expired") })
await add("EXP is not exp", { cookies: `${V5}=${await seal5(`{"sub":"user_alice","exp":${T0 - HOUR},"EXP":${exp}}`)}`, expect: no("expired") })
await add("exp twice, the last counts", { cookies: `${V5}=${await seal5(`{"sub":"user_alice","exp":${exp},"exp":${T0 - HOUR}}`)}`, expect: no("expired") })
await add("nbf as a string", { cookies: await claims({ nbf: "0" }), expect: no("bad_claims") })
await add("iat as a string", { cookies: await claims({ iat: "0" }), expect: no("bad_claims") })

// --- 7. user and claims
await add("no sub", { cookies: await claims({ sub: undefined }), expect: no("no_user") })
await add("sub empty", { cookies: await claims({ sub: "" }), expect: no("no_user") })
await add("sub number", { cookies: await claims({ sub: 7 }), expect: no("no_user") })
await add("sub null", { cookies: await claims({ sub: null }), expect: no("no_user") })
await add("sub list", { cookies: await claims({ sub: ["user_alice"] }), expect: no("no_user") })
await add("SUB is not sub", { cookies: await claims({ sub: undefined, SUB: "user_alice" }), expect: no("no_user") })
await add("sub with NUL", { cookies: await claims({ sub: "user\u0000" }), expect: no("no_user") })
await add("sub with a lone surrogate", { cookies: `${V5}=${await seal5(`{"sub":"\\ud800","exp":${exp}}`)}`, expect: no("no_user") })
await add("sub of 257 bytes", { cookies: await claims({ sub: "u".repeat(257) }), expect: no("no_user") })
await add("plaintext list", { cookies: `${V5}=${await seal5("[]")}`, expect: no("bad_claims") })
await add("plaintext null", { cookies: `${V5}=${await seal5("null")}`, expect: no("bad_claims") })
await add("plaintext empty object", { cookies: `${V5}=${await seal5("{}")}`, expect: no("no_expiry") })
await add("plaintext with trailing text", { cookies: `${V5}=${await seal5(`{"sub":"user_alice","exp":${exp}}{}`)}`, expect: no("bad_claims") })
await add("plaintext not UTF-8", { cookies: `${V5}=${await seal5(Buffer.concat([Buffer.from(`{"sub":"user_alice","exp":${exp},"x":"`), Buffer.from([0xff]), Buffer.from('"}')]))}`, expect: no("bad_claims") })
await add("plaintext a signed token", { cookies: `${V5}=${await seal5("eyJhbGciOiJub25lIn0.e30.")}`, expect: no("bad_claims") })

// --- 8. bent tokens
const flip = (s, i) => s.slice(0, i) + (s[i] === "A" ? "B" : "A") + s.slice(i + 1)
const bend = (t, part, f) => t.split(".").map((p, i) => (i === part ? f(p) : p)).join(".")
for (const [scheme, name, token, app] of [["v5", V5, t5, {}], ["v4", V4, t4, app4]]) {
  await add(`${scheme}, IV altered`, { cookies: `${name}=${bend(token, 2, (p) => flip(p, 3))}`, expect: no("tampered"), app })
  await add(`${scheme}, ciphertext altered`, { cookies: `${name}=${bend(token, 3, (p) => flip(p, 10))}`, expect: no("tampered"), app })
  await add(`${scheme}, tag altered`, { cookies: `${name}=${bend(token, 4, (p) => flip(p, 3))}`, expect: no("tampered"), app })
  await add(`${scheme}, tag cut`, { cookies: `${name}=${bend(token, 4, (p) => p.slice(0, 16))}`, expect: no("malformed"), app })
  await add(`${scheme}, tag missing`, { cookies: `${name}=${bend(token, 4, () => "")}`, expect: no("malformed"), app })
  await add(`${scheme}, ciphertext missing`, { cookies: `${name}=${bend(token, 3, () => "")}`, expect: no("malformed"), app })
  await add(`${scheme}, unused bits of the tag set`, { cookies: `${name}=${bend(token, 4, (p) => p.slice(0, -1) + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".indexOf(p.at(-1)) + 1])}`, expect: no("malformed"), app })
  await add(`${scheme}, end of the ciphertext moved into the tag`, {
    cookies: `${name}=${(() => { const p = token.split("."); const ct = Buffer.from(p[3], "base64url"); const tag = Buffer.from(p[4], "base64url"); const n = ct.length - 16; p[3] = b64(ct.subarray(0, n)); p[4] = b64(Buffer.concat([ct.subarray(n), tag])); return p.join(".") })()}`,
    expect: no("malformed"), app,
  })
  await add(`${scheme}, padded base64`, { cookies: `${name}=${token}=`, expect: no("malformed"), app })
  await add(`${scheme}, standard base64`, { cookies: `${name}=${bend(token, 3, (p) => "+/" + p.slice(2))}`, expect: no("malformed"), app })
  await add(`${scheme}, six parts`, { cookies: `${name}=${token}.AA`, expect: no("malformed"), app })
  await add(`${scheme}, four parts`, { cookies: `${name}=${token.replace("..", ".")}`, expect: no("malformed"), app })
  await add(`${scheme}, an encrypted key with dir`, { cookies: `${name}=${bend(token, 1, () => "AAAA")}`, expect: no("unsupported"), app })
  await add(`${scheme}, header of another token`, { cookies: `${name}=${bend(token, 0, () => b64(scheme === "v5" ? '{"alg":"dir","enc":"A256CBC-HS512"}' : '{"enc":"A256GCM","alg":"dir"}'))}`, expect: no("tampered"), app })
  await add(`${scheme}, cipher swapped in the header`, { cookies: `${name}=${bend(token, 0, () => b64(scheme === "v5" ? '{"alg":"dir","enc":"A256GCM"}' : '{"alg":"dir","enc":"A256CBC-HS512"}'))}`, expect: no("malformed"), app })
  await add(`${scheme}, alg none`, { cookies: `${name}=${bend(token, 0, () => b64('{"alg":"none","enc":"A256GCM"}'))}`, expect: no("unsupported"), app })
  await add(`${scheme}, header no JSON`, { cookies: `${name}=${bend(token, 0, () => b64('{"alg":"dir",'))}`, expect: no("malformed"), app })
  await add(`${scheme}, header not an object`, { cookies: `${name}=${bend(token, 0, () => b64('["dir"]'))}`, expect: no("malformed"), app })
  await add(`${scheme}, header with trailing text`, { cookies: `${name}=${bend(token, 0, (p) => b64(Buffer.from(p, "base64url") + "{}"))}`, expect: no("malformed"), app })
}

// --- 9. sealed with the right key, in ways that no scheme makes
const k5 = await key5(SECRET, V5, 64)
const kid5 = await thumb(k5)
const good = { sub: "user_alice", exp }
const h5 = (extra) => ({ alg: "dir", enc: "A256CBC-HS512", kid: kid5, ...extra })
await add("typ JWT", { cookies: `${V5}=${seal(k5, h5({ typ: "JWT" }), good)}`, expect: ok() })
await add("zip", { cookies: `${V5}=${seal(k5, h5({ zip: "DEF" }), deflateRawSync(JSON.stringify(good)))}`, expect: no("unsupported") })
await add("crit", { cookies: `${V5}=${seal(k5, h5({ crit: ["exp"], exp: 1 }), good)}`, expect: no("unsupported") })
await add("crit empty", { cookies: `${V5}=${seal(k5, h5({ crit: [] }), good)}`, expect: no("unsupported") })
await add("jwk in the header", { cookies: `${V5}=${seal(k5, h5({ jwk: { kty: "oct", k: b64(k5) } }), good)}`, expect: no("unsupported") })
await add("alg missing", { cookies: `${V5}=${seal(k5, { enc: "A256CBC-HS512", kid: kid5 }, good)}`, expect: no("unsupported") })
await add("enc missing", { cookies: `${V5}=${seal(k5, { alg: "dir", kid: kid5 }, good)}`, expect: no("unsupported") })
await add("alg in another case", { cookies: `${V5}=${seal(k5, h5({ alg: "DIR" }), good)}`, expect: no("unsupported") })
await add("Alg is not alg", { cookies: `${V5}=${seal(k5, { enc: "A256CBC-HS512" }, good, `{"Alg":"dir","enc":"A256CBC-HS512","kid":"${kid5}"}`)}`, expect: no("unsupported") })
await add("alg twice", { cookies: `${V5}=${seal(k5, { enc: "A256CBC-HS512" }, good, `{"alg":"none","alg":"dir","enc":"A256CBC-HS512","kid":"${kid5}"}`)}`, expect: no("unsupported") })
await add("kid number", { cookies: `${V5}=${seal(k5, h5({ kid: 7 }), good)}`, expect: no("unsupported") })
await add("kid null", { cookies: `${V5}=${seal(k5, h5({ kid: null }), good)}`, expect: no("unsupported") })
await add("header of 600 bytes", { cookies: `${V5}=${seal(k5, h5({ typ: "x".repeat(600) }), good)}`, expect: no("malformed") })
const jwe = async (key, header) => new jose.CompactEncrypt(Buffer.from(JSON.stringify(good))).setProtectedHeader(header).encrypt(key)
const k4 = await key4(SECRET)
await add("v4, A256KW under its key, which v4 itself takes", { cookies: `${V4}=${await jwe(k4, { alg: "A256KW", enc: "A256GCM" })}`, expect: no("unsupported"), app: app4 })
await add("v4, A256GCMKW", { cookies: `${V4}=${await jwe(k4, { alg: "A256GCMKW", enc: "A256GCM" })}`, expect: no("unsupported"), app: app4 })
await add("v4, A128CBC-HS256 under its key, which v4 itself takes", { cookies: `${V4}=${await jwe(k4, { alg: "dir", enc: "A128CBC-HS256" })}`, expect: no("unsupported"), app: app4 })
await add("v5, A256KW", { cookies: `${V5}=${await jwe(k5.subarray(0, 32), { alg: "A256KW", enc: "A256CBC-HS512", kid: kid5 })}`, expect: no("unsupported") })
await add("v5, PBES2", { cookies: `${V5}=${await jwe(Buffer.from(SECRET), { alg: "PBES2-HS256+A128KW", enc: "A256CBC-HS512" })}`, expect: no("unsupported") })
await add("v5, signed with the secret", { cookies: `${V5}=${await new jose.SignJWT(good).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from(SECRET))}`, expect: no("malformed") })
await add("v5, a database strategy's value", { cookies: `${V5}=0b5a6c1e-8f0e-4a3c-9d5b-2f9f3f6f8c11`, expect: no("malformed") })

const names = new Set(vectors.map((v) => v.name))
if (names.size !== vectors.length) throw new Error("two vectors of one name")
writeFileSync(new URL("vectors.json", import.meta.url), JSON.stringify(vectors, null, 1) + "\n")
console.log(`${vectors.length} vectors, ${vectors.filter((v) => v.expect.valid).length} valid`)
