package session

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// maxSecretsFile bounds the file of secrets, in bytes: a wrong path must not
// fill the memory.
const maxSecretsFile = 64 << 10

// readSecrets reads one secret a line, newest first. A file that every user of
// the machine can read or write is refused: whoever has a secret can be anybody.
func readSecrets(path string) (secrets []string, err error) {
	const variable = "ORGCAST_AUTH_SECRETS_FILE"
	const hint = "set it to a file that the server's user can read, with one secret a line, newest first"
	f, err := os.Open(path)
	if err != nil {
		return nil, invalid(variable, err, hint)
	}
	defer func() {
		if cerr := f.Close(); cerr != nil && err == nil {
			secrets, err = nil, invalid(variable, cerr, hint)
		}
	}()
	// Of the open file: the name may point elsewhere by now.
	info, err := f.Stat()
	if err != nil {
		return nil, invalid(variable, err, hint)
	}
	if !info.Mode().IsRegular() {
		return nil, invalid(variable, errors.New("not a regular file"), hint)
	}
	if mode := info.Mode().Perm(); mode&0o006 != 0 {
		return nil, invalid(variable, fmt.Errorf("mode %#o lets every user read or write it", mode),
			"chmod o-rw the file; for a mounted Kubernetes secret set defaultMode: 0440 and fsGroup")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecretsFile+1))
	if err != nil {
		return nil, invalid(variable, err, hint)
	}
	if len(text) > maxSecretsFile {
		return nil, invalid(variable, fmt.Errorf("larger than %d bytes", maxSecretsFile), hint)
	}
	secrets = secretLines(string(text))
	if len(secrets) == 0 {
		return nil, invalid(variable, errors.New("no secret in it"), hint)
	}
	return secrets, nil
}
