// Makes vectors.json: of every type that a Prisma schema can name, values, each
// with what the WAL says of it (pgoutput's text, under the settings that the
// server pins) and what JSON.stringify makes of what Prisma Client read.
//
//   npm install --ignore-scripts --no-package-lock
//   DATABASE_URL=postgresql://… node generate.mjs
//
// The database is to be an empty one, with wal_level = logical and citext to be had.
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { PrismaPg } from "@prisma/adapter-pg"
import pg from "pg"

const here = fileURLToPath(new URL(".", import.meta.url))
const url = process.env.DATABASE_URL
if (!url) throw new Error("set DATABASE_URL to an empty database")

// --- the values: SQL literals by type
const floats = ["0", "-0", "1", "-1.5", "0.1", "1e20", "1e21", "123456789012345680000", "1e-6", "1e-7", "-1.5e-7", "NaN", "Infinity", "-Infinity"]
const numerics = [
  "0", "0.00", "-0.10", "10.50", "1000.00", "7", "-7", "1234567.891", "0.1", "0.000001", "0.0000010", "0.0000001", "-0.00000012340", "1e-20", "1.5e-30",
  "999999999999999999999", "999999999999999999999.50", "1000000000000000000000", "-1234500000000000000000.250", "1e21", "1e40", "1.23e100",
  "12345678901234567890123456789012345678901234567890.12345678901234567890", "NaN",
]
const times = [
  "2026-01-02 12:04:05", "2026-01-02 12:04:05.5", "2026-01-02 12:04:05.123", "2026-01-02 12:04:05.123456", "2026-01-02 12:04:05.999999", "2026-12-31 23:59:59.9995",
  "1970-01-01 00:00:00", "1969-12-31 23:59:59.999", "1900-02-28 01:02:03", "0001-01-01 00:00:00", "0099-03-04 05:06:07", "9999-12-31 23:59:59.999",
  "10000-01-01 00:00:00", "294276-12-31 23:59:59", "0001-12-31 00:00:00 BC", "0044-03-15 12:00:00 BC", "infinity", "-infinity", "2024-02-29 00:00:00",
]
const zoned = [...times.map((t) => (t.includes("inf") ? t : t.endsWith(" BC") ? t.slice(0, -3) + "+00 BC" : t + "+00")), "2026-01-02 12:04:05.25+05:30", "2026-07-01 00:30:00-08", "1883-11-18 12:00:00-04:56:02"]
const dates = ["2026-01-02", "2024-02-29", "1970-01-01", "1969-12-31", "0001-01-01", "0099-03-04", "9999-12-31", "10000-01-01", "0044-03-15 BC", "infinity", "-infinity"]
const clocks = ["00:00:00", "12:04:05", "12:04:05.5", "12:04:05.123456", "23:59:59.999999", "24:00:00"]
const zonedClocks = ["12:04:05+00", "12:04:05.25+02", "23:30:00-08", "00:30:00+05:30", "12:00:00-04:56:02", "24:00:00+00"]
const texts = ["", "a", " both ends ", "a\"b\\c", "two\nlines\r\nand\ttab", "\u2028\u2029", "</script>&", "Ελληνικά", "👍🏽", "\u0001\u001f\u007f", "null", "{a,b}", "\ufeffx"]
const jsons = [
  "null", "true", "1", "-0", "1.0", "1.50", "10e2", "1E400", "12345678901234567890", "0.1000000000000000055511151231257827", '"a"', '""', "[]", "{}", "[1, 2,\n 3]",
  '{"a": 1, "b": [true, null, {"c": "d"}]}', '{"b": 1, "a": 2}', '{"a": 1, "a": 2}', '{ "two" :\r\n\t"lines" }', '{"": 0}', '"\\u2028 \\u0007 \\/ \\ud83d\\udc4d"', '"\u2028</script>"', '{"2": "b", "1": "a"}', '{"__proto__": 1}',
]
const lists = (...bodies) => ["{}", "{NULL}", ...bodies]

const cases = [
  ["text", "String", texts],
  ["varchar(20)", "String @db.VarChar(20)", ["", "abc", "abc  "]],
  ["char(5)", "String @db.Char(5)", ["", "ab", "abcde", " a"]],
  ["uuid", "String @db.Uuid", ["6B0A1C3E-0000-4000-8000-00000000000F"]],
  ["citext", "String @db.Citext", ["Some One@Example.COM"]],
  ["inet", "String @db.Inet", ["192.0.2.1", "192.0.2.0/24", "192.0.2.1/32", "2001:DB8::1", "2001:db8::/32", "::1/128"]],
  ["xml", "String @db.Xml", ["<a>\n <b c='d'/></a>", "", "text"]],
  ["bit(4)", "String @db.Bit(4)", ["0101"]],
  ["varbit", "String @db.VarBit", ["", "1", "010101"]],
  ["smallint", "Int @db.SmallInt", ["0", "-32768", "32767"]],
  ["integer", "Int", ["0", "-2147483648", "2147483647"]],
  ["oid", "Int @db.Oid", ["0", "2147483647", "4294967295"]],
  ["bigint", "BigInt", ["0", "-1", "9007199254740991", "9007199254740993", "9223372036854775807", "-9223372036854775808"]],
  ["real", "Float @db.Real", [...floats, "3.4028235e38", "1e-45", "16777216", "1.1754944e-38", "0.333333343"]],
  ["double precision", "Float", [...floats, "1.7976931348623157e308", "5e-324", "9007199254740993", "0.30000000000000004", "2.2250738585072014e-308"]],
  ["numeric", "Decimal @db.Decimal", [...numerics, "Infinity", "-Infinity"]],
  ["numeric(12,2)", "Decimal @db.Decimal(12, 2)", ["0", "10.5", "1000", "9999999999.99", "-0.01", "NaN"]],
  ["numeric(3,-2)", "Decimal @db.Decimal", ["12345"]],
  ["money", "Decimal @db.Money", ["0", "1234.5", "-7.25", "92233720368547758.07"]],
  ["boolean", "Boolean", ["t", "f"]],
  ...[0, 1, 2, 3, 4, 5, 6].map((n) => [`timestamp(${n})`, `DateTime @db.Timestamp(${n})`, n === 3 || n === 6 ? times : times.slice(0, 6)]),
  ...[0, 3, 6].map((n) => [`timestamptz(${n})`, `DateTime @db.Timestamptz(${n})`, n === 0 ? zoned.slice(0, 6) : zoned]),
  ["date", "DateTime @db.Date", dates],
  ...[0, 3, 6].map((n) => [`time(${n})`, `DateTime @db.Time(${n})`, clocks]),
  ...[0, 6].map((n) => [`timetz(${n})`, `DateTime @db.Timetz(${n})`, zonedClocks]),
  ["json", "Json @db.Json", jsons],
  ["jsonb", "Json", jsons.filter((j) => j !== "1E400")], // which jsonb keeps as 401 digits
  ["bytea", "Bytes", ["\\x", "\\x00ff10", "\\x3c22"]],
  ["mood", "Mood", ["SAD", "a \"b\", c", "très bien"]],

  ["text[]", "String[]", lists("{a,b}", '{"a,b","c\\"d\\\\","","NULL",NULL,"{x}","two\nlines"}', "[0:1]={a,b}", "{{a,b},{c,d}}", '{" a "}')],
  ["varchar(20)[]", "String[] @db.VarChar(20)", lists("{a,b}")],
  ["char(5)[]", "String[] @db.Char(5)", lists("{a,abcde}")],
  ["uuid[]", "String[] @db.Uuid", lists("{6b0a1c3e-0000-4000-8000-00000000000f}")],
  ["citext[]", "String[] @db.Citext", lists("{A,b}")],
  ["inet[]", "String[] @db.Inet", lists("{192.0.2.1,192.0.2.0/24}")],
  ["xml[]", "String[] @db.Xml", lists('{"<a b=\\"c\\"/>"}')],
  ["bit(4)[]", "String[] @db.Bit(4)", lists("{0101}")],
  ["varbit[]", "String[] @db.VarBit", lists("{01,1}")],
  ["smallint[]", "Int[] @db.SmallInt", lists("{1,-2}")],
  ["integer[]", "Int[]", lists("{1,-2,NULL}", "{{1,2},{3,4}}", "[5:6]={1,2}")],
  ["oid[]", "Int[] @db.Oid", lists("{1,2}")],
  ["bigint[]", "BigInt[]", lists("{1,9223372036854775807}")],
  ["real[]", "Float[] @db.Real", lists("{0.1,1e20}", "{NaN,-Infinity}")],
  ["double precision[]", "Float[]", lists("{0.1,-0,1e-7}", "{NaN,Infinity}")],
  ["numeric[]", "Decimal[] @db.Decimal", lists("{10.50,1e21,-0.00000012}", "{NaN}")],
  ["money[]", "Decimal[] @db.Money", lists("{1234.5,-7}")],
  ["boolean[]", "Boolean[]", lists("{t,f,NULL}")],
  ["timestamp(3)[]", "DateTime[]", lists('{"2026-01-02 12:04:05","2026-01-02 12:04:05.12"}', '{infinity,"0044-03-15 00:00:00 BC"}')],
  ["timestamptz(3)[]", "DateTime[] @db.Timestamptz(3)", lists('{"2026-01-02 12:04:05.25+05:30"}')],
  ["date[]", "DateTime[] @db.Date", lists("{2026-01-02,1969-12-31}")],
  ["time(6)[]", "DateTime[] @db.Time(6)", lists("{12:04:05.25}")],
  ["timetz(6)[]", "DateTime[] @db.Timetz(6)", lists("{12:04:05.25+02}")],
  ["json[]", "Json[] @db.Json", lists('{"{\\"a\\":\n [1, 2]}","null","1.0"}')],
  ["jsonb[]", "Json[]", lists('{"{\\"a\\": [1, 2]}","null",NULL,"\\"a,b\\""}')],
  ["bytea[]", "Bytes[]", lists('{"\\\\x00ff","\\\\x"}')],
  ["mood[]", "Mood[]", lists('{SAD,"a \\"b\\", c"}')],
]

// --- the schema, in Prisma's language and in SQL
const optional = (type) => (type.includes("[]") ? type : type.replace(/^\w+/, "$&?"))
const schema = `generator client {
  provider = "prisma-client-js"
  output   = "./client"
}
datasource db {
  provider = "postgresql"
}
enum Mood {
  SAD
  quoted @map("a \\"b\\", c")
  accent @map("très bien")
  @@map("mood")
}
${cases.map(([, type], i) => `model T${i} {\n  id Int @id\n  v ${optional(type)}\n}`).join("\n")}
`
const work = mkdtempSync(join(here, "work-"))
process.on("exit", () => rmSync(work, { recursive: true, force: true }))
writeFileSync(join(work, "schema.prisma"), schema)
// The client needs no engine, and nothing is to be downloaded: generate only wants a path.
execFileSync(join(here, "node_modules/.bin/prisma"), ["generate", "--schema", join(work, "schema.prisma")], {
  cwd: here, env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: "/bin/false", CHECKPOINT_DISABLE: "1" }, stdio: ["ignore", "ignore", "inherit"],
})
const { PrismaClient } = createRequire(import.meta.url)(join(work, "client"))

// The settings that the server pins: internal/replication/config.go.
const pinned = { datestyle: "ISO", timezone: "UTC", intervalstyle: "iso_8601", bytea_output: "hex", extra_float_digits: "1", lc_monetary: "C", client_encoding: "UTF8" }
const db = new pg.Client({ connectionString: url })
await db.connect()
for (const [name, value] of Object.entries(pinned)) await db.query(`SELECT set_config($1, $2, false)`, [name, value])
await db.query(`CREATE EXTENSION IF NOT EXISTS citext; CREATE TYPE mood AS ENUM ('SAD', 'a "b", c', 'très bien')`)
await db.query(cases.map(([type], i) => `CREATE TABLE "T${i}" (id int PRIMARY KEY, v ${type})`).join(";"))
await db.query(`CREATE PUBLICATION vectors FOR ALL TABLES`)
await db.query(`SELECT pg_create_logical_replication_slot('vectors', 'pgoutput')`)
const literals = []
for (const [i, [type, , values]] of cases.entries()) {
  for (const [n, value] of [null, ...values].entries()) {
    try {
      await db.query(`INSERT INTO "T${i}" VALUES (${n}, ${value === null ? "NULL" : db.escapeLiteral(value)})`)
      literals.push([i, n, value])
    } catch (e) {
      console.error(`PostgreSQL refuses ${type} ${JSON.stringify(value)}: ${e.message}`)
    }
  }
}

// --- what the WAL says: Relation and Insert messages of pgoutput, protocol 1
const wal = new Map() // "table n" → text or null
const oids = new Map() // table → the OID of the type of v
const names = new Map()
const { rows } = await db.query(`SELECT data FROM pg_logical_slot_get_binary_changes('vectors', NULL, NULL, 'proto_version', '1', 'publication_names', 'vectors')`)
for (const { data } of rows) {
  let at = 1
  const int16 = () => data.readInt16BE((at += 2) - 2)
  const int32 = () => data.readUInt32BE((at += 4) - 4)
  const string = () => { const end = data.indexOf(0, at), s = data.toString("utf8", at, end); at = end + 1; return s }
  if (data[0] === 0x52) { // R
    const relation = int32()
    string()
    const name = string()
    at++ // replica identity
    for (let n = int16(), i = 0; i < n; i++) { at++; string(); oids.set(name, int32()); int32() }
    names.set(relation, name)
  } else if (data[0] === 0x49) { // I
    const name = names.get(int32())
    at++ // N
    const row = []
    for (let n = int16(), i = 0; i < n; i++) {
      const kind = String.fromCharCode(data[at++])
      if (kind === "n") { row.push(null); continue }
      if (kind !== "t") throw new Error(`a value of kind ${kind}`)
      const length = int32()
      row.push(data.toString("utf8", at, (at += length)))
    }
    wal.set(`${name} ${row[0]}`, row[1])
  }
}
const types = {}
for (const { oid, base, element } of (await db.query(`SELECT oid::int, typbasetype::int AS base, CASE WHEN typcategory = 'A' THEN typelem ELSE 0 END::int AS element FROM pg_type WHERE oid >= 16384`)).rows) types[oid] = { base, element }

// --- what Prisma Client reads
const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) })
const vectors = []
for (const [i, n, literal] of literals) {
  const [type, field] = cases[i]
  const oid = oids.get(`T${i}`)
  const vector = { type, prisma: field, literal, oid, text: wal.get(`T${i} ${n}`) }
  if (vector.text === undefined) throw new Error(`the WAL does not tell of T${i} ${n}`)
  if (oid >= 16384) {
    // OIDs of types that are not built in are of this database.
    vector.oid = 90000 + (types[oid].element ? 1 : 0)
    if (types[oid].element) vector.element = 90000
  }
  try {
    const { v } = await prisma[`t${i}`].findUniqueOrThrow({ where: { id: n } })
    try {
      vector.json = JSON.stringify(v)
    } catch (e) {
      // JSON.stringify takes no BigInt; this is what an application makes of one.
      vector.throws = e.message
      vector.json = JSON.stringify(v, (_, x) => (typeof x === "bigint" ? String(x) : x))
    }
  } catch (e) {
    vector.error = e.message.split("\n").filter((line) => line.trim()).at(-1).trim()
  }
  vectors.push(vector)
}
await prisma.$disconnect()
await db.query(`SELECT pg_drop_replication_slot('vectors')`)
await db.end()
const version = (name) => JSON.parse(readFileSync(join(here, "node_modules", name, "package.json"))).version
const out = { prisma: version("@prisma/client"), adapter: version("@prisma/adapter-pg"), vectors }
writeFileSync(join(here, "vectors.json"), `{"prisma": ${JSON.stringify(out.prisma)}, "adapter": ${JSON.stringify(out.adapter)}, "vectors": [\n${vectors.map((v) => "  " + JSON.stringify(v)).join(",\n")}\n]}\n`)
console.log(`${vectors.length} vectors`)
