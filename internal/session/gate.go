package session

import (
	"encoding/base64"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"

	"github.com/oikion/orgcast/internal/codec"
)

// maxJOSEHeader bounds the token's encoded header, in bytes. The longest that
// Auth.js makes is 174.
const maxJOSEHeader = 512

// header is what a token says of itself. Until the seal is checked it is the
// sender's word: it may choose among our keys, and nothing else.
type header struct {
	enc    jose.ContentEncryption
	kid    string
	hasKid bool
}

// sealed is a token that passed the gate, in its parts: all but the empty second.
type sealed struct {
	header
	encoded, iv, text, tag string
}

// cipherShape is the length in bytes of what does not vary with the content.
type cipherShape struct{ iv, tag, block int }

var cipherShapes = map[jose.ContentEncryption]cipherShape{
	jose.A256CBC_HS512: {iv: 16, tag: 32, block: 16},
	jose.A256GCM:       {iv: 12, tag: 16, block: 1},
}

// gate lets a token through that has the form of those that the schemes make,
// and no other: what is behind it sees one algorithm and two ciphers. The exact
// lengths matter: ciphertext and tag are joined, so bytes that were moved from one
// to the other would be accepted.
//
// Nearly all headers are spelled as one of usual, whose meaning is known.
func gate(token string, usual map[string]header) (sealed, Reason) {
	if len(token) > maxToken {
		return sealed{}, Oversize
	}
	if strings.Count(token, ".") != 4 {
		return sealed{}, Malformed
	}
	var parts [5]string
	for i := range parts {
		parts[i], token, _ = strings.Cut(token, ".")
		if !canonical(parts[i]) {
			return sealed{}, Malformed
		}
	}
	if parts[0] == "" || len(parts[0]) > maxJOSEHeader {
		return sealed{}, Malformed
	}
	h, known := usual[parts[0]]
	if !known {
		var reason Reason
		if h, reason = readHeader(parts[0]); reason != "" {
			return sealed{}, reason
		}
	}
	if parts[1] != "" {
		return sealed{}, Unsupported // direct encryption carries no key
	}
	shape := cipherShapes[h.enc]
	size := base64.RawURLEncoding.DecodedLen
	text := size(len(parts[3]))
	if size(len(parts[2])) != shape.iv || size(len(parts[4])) != shape.tag || text == 0 || text%shape.block != 0 {
		return sealed{}, Malformed
	}
	return sealed{h, parts[0], parts[2], parts[3], parts[4]}, ""
}

// readHeader reads a JSON object with each member at most once, which
// a JSON reader does not promise by itself, and spelled exactly, which it
// does not either. Members that would change how the token is to be read (zip,
// crit, a key of its own) are refused with all other ones that are not known.
func readHeader(encoded string) (header, Reason) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || !utf8.Valid(raw) {
		return header{}, Malformed
	}
	var h header
	var alg, typ, cty *string
	var enc, kid *string
	members := map[string]**string{"alg": &alg, "enc": &enc, "kid": &kid, "typ": &typ, "cty": &cty}

	d := codec.Tokens(raw)
	if t, err := d.Token(); err != nil || t != codec.Delim('{') {
		return header{}, Malformed
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return header{}, Malformed
		}
		key, _ := name.(string)
		member, known := members[key]
		if !known {
			return header{}, unsupportedIfJSON(raw)
		}
		value, err := d.Token()
		if err != nil {
			return header{}, Malformed
		}
		text, ok := value.(string)
		if !ok || *member != nil {
			return header{}, unsupportedIfJSON(raw)
		}
		*member = &text
	}
	if _, err := d.Token(); err != nil {
		return header{}, Malformed
	}
	if _, err := d.Token(); err != io.EOF {
		return header{}, Malformed
	}
	if alg == nil || *alg != string(jose.DIRECT) || enc == nil {
		return header{}, Unsupported
	}
	h.enc = jose.ContentEncryption(*enc)
	if _, ok := cipherShapes[h.enc]; !ok {
		return header{}, Unsupported
	}
	if kid != nil {
		h.kid, h.hasKid = *kid, true
	}
	return h, ""
}

// unsupportedIfJSON tells a header that says too much from one that is broken.
func unsupportedIfJSON(raw []byte) Reason {
	if codec.Valid(raw) {
		return Unsupported
	}
	return Malformed
}

// canonical tells whether s is the one base64url spelling of some bytes: the
// alphabet only (Go's decoder skips line breaks), no padding, unused bits zero.
func canonical(s string) bool {
	for i := range len(s) {
		if sextets[s[i]] < 0 {
			return false
		}
	}
	switch len(s) % 4 {
	case 1:
		return false
	case 2:
		return sextets[s[len(s)-1]]&0b1111 == 0
	case 3:
		return sextets[s[len(s)-1]]&0b11 == 0
	}
	return true
}

// sextets is what each letter of base64url stands for, -1 for all other bytes.
var sextets = func() (table [256]int8) {
	for i := range table {
		table[i] = -1
	}
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		table[c] = int8(i)
	}
	return table
}()
