package app

import (
	"os"
	"path/filepath"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/publish"
)

// sealSecret is the secret that is given, or the data directory's own.
func (a *App) sealSecret() (*publish.Secret, error) {
	c := a.config
	switch {
	case c.SealSecret != "":
		secret, err := publish.ParseSecret(c.SealSecret)
		if err != nil {
			return nil, orgcast.WithHint("read ORGCAST_SEAL_SECRET", err, "Make one with: openssl rand -hex 32")
		}
		return secret, nil
	case c.SealSecretFile != "":
		return publish.LoadSecret(c.SealSecretFile)
	}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, orgcast.WithHint("make seal secret", err, "Set ORGCAST_DATA_DIR to a directory that this user may write.")
	}
	return publish.MakeSecret(filepath.Join(c.DataDir, "seal-secret"))
}

// apiKeys are those of the file. One that can't be read keeps nothing from being
// served, but the operator is told at once and not at the first call.
func (a *App) apiKeys() *publish.Store {
	store := publish.NewStore(a.config.APIKeysFile)
	if err := store.Health(); err != nil {
		a.log.Warn("API keys can't be read", "error", err, "hint", orgcast.Hint(err))
	}
	return store
}
