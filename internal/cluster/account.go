package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/oikion/orgcast"
)

// account is the system user that the server runs as.
type account struct {
	name     string
	uid, gid int
}

// serverAccount is nil unless we are root, whom PostgreSQL refuses.
func serverAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.Atoi(u.Uid)
		gid, errGID := strconv.Atoi(u.Gid)
		if err := errors.Join(errUID, errGID); err != nil {
			return nil, fmt.Errorf("look up user %s: %w", name, err)
		}
		return &account{name: name, uid: uid, gid: gid}, nil
	}
	return nil, orgcast.WithHint("choose the server's user", errors.New("PostgreSQL refuses root, and there is no user postgres or nobody"),
		"run as an ordinary user, or add a user named postgres")
}

func (a *account) own(path string) error {
	if err := os.Chown(path, a.uid, a.gid); err != nil {
		return fmt.Errorf("give %s to user %s: %w", path, a.name, err)
	}
	return nil
}

// reachable says which parent directory keeps the account out: initdb's own
// message names only the leaf.
func reachable(dir string, a *account) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("check cluster directory: %w", err)
		}
		if info.Mode()&0o001 == 0 && !owns(info, a) {
			return orgcast.WithHint("check cluster directory", fmt.Errorf("user %s may not enter %s", a.name, dir),
				"choose a directory that user "+a.name+" can reach, or run as an ordinary user")
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}
