package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/publish"
)

// publishing looks at the API keys and the seal secret, as serve will find them.
func publishing(_ context.Context, s *Scene) (out []Finding) {
	if err := sealSecret(s.config); err != nil && !errors.Is(err, fs.ErrNotExist) {
		out = append(out, found(SealSecretUnusable, "the seal secret can't be used: "+plain(err), orgcast.Hint(err)))
	}
	store := publish.NewStore(s.config.APIKeysFile)
	if err := store.Health(); err != nil {
		return append(out, found(APIKeysUnreadable, "the API keys in "+s.config.APIKeysFile+" can't be read: "+plain(err), orgcast.Hint(err)))
	}
	if n := len(store.List()); n > 0 && len(out) == 0 {
		s.good(fmt.Sprintf("API keys: %d", n))
	}
	return out
}

// sealSecret is nil if serve can go by the secret that is set or kept. One that is
// not there yet is drawn at the start.
func sealSecret(c *config.Config) (err error) {
	switch {
	case c.SealSecret != "":
		if _, err = publish.ParseSecret(c.SealSecret); err != nil {
			err = orgcast.WithHint("read ORGCAST_SEAL_SECRET", err, "make one with: openssl rand -hex 32")
		}
	case c.SealSecretFile != "":
		if _, err = publish.LoadSecret(c.SealSecretFile); errors.Is(err, fs.ErrNotExist) {
			err = orgcast.WithHint("read seal secret", errors.New(c.SealSecretFile+" is not there"), "make it, mode 0600, with what openssl rand -hex 32 prints, or unset ORGCAST_SEAL_SECRET_FILE")
		}
	default:
		_, err = publish.LoadSecret(filepath.Join(c.DataDir, "seal-secret"))
	}
	return err
}
