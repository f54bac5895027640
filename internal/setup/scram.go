package setup

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// scramIterations is PostgreSQL's own default.
const scramIterations = 4096

// passwordLiteral is what follows PASSWORD. A SCRAM verifier is computed here,
// so that the password itself reaches no server log and no pg_stat_activity. A
// password outside printable ASCII would need SASLprep first and goes as it is.
func passwordLiteral(password string, plain bool) (string, error) {
	if plain || !printableASCII(password) {
		return quoteLiteral(password), nil
	}
	salt := make([]byte, 16)
	rand.Read(salt) // never fails
	v, err := scramVerifier(password, salt, scramIterations)
	return quoteLiteral(v), err
}

func printableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// scramVerifier is the form in pg_authid:
// SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey (RFC 5803).
func scramVerifier(password string, salt []byte, iterations int) (string, error) {
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive SCRAM key: %w", err)
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, b64(salt), b64(stored[:]), b64(mac(salted, "Server Key"))), nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// verifies tells whether verifier was made of password.
func verifies(verifier, password string) bool {
	rest, ok := strings.CutPrefix(verifier, "SCRAM-SHA-256$")
	if !ok || !printableASCII(password) {
		return false
	}
	var iterations int
	var tail string
	if _, err := fmt.Sscanf(rest, "%d:%s", &iterations, &tail); err != nil || iterations < 1 {
		return false
	}
	salt64, _, ok := strings.Cut(tail, "$")
	if !ok {
		return false
	}
	salt, err := base64.StdEncoding.DecodeString(salt64)
	if err != nil {
		return false
	}
	want, err := scramVerifier(password, salt, iterations)
	return err == nil && hmac.Equal([]byte(want), []byte(verifier))
}
