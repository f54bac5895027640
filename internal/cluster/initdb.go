package cluster

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/oikion/orgcast"
)

// socketPathLimit is what sun_path holds, less the socket's own name; above it
// PostgreSQL does not start, and TMPDIR is deep on macOS.
const socketPathLimit = 80

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// initdb makes the data directory. Without syncing (-N): an unfinished cluster
// is thrown away anyway, and the server's own checkpoints sync what matters.
func (c *Cluster) initdb(ctx context.Context) error {
	pwfile := filepath.Join(c.dir, "password")
	if err := os.WriteFile(pwfile, []byte(c.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("write password file: %w", err)
	}
	defer os.Remove(pwfile)
	if c.user != nil {
		if err := c.user.own(pwfile); err != nil {
			return err
		}
	}
	cmd := c.command("initdb", "-D", c.data(), "-U", superuser, "-A", "scram-sha-256", "--pwfile="+pwfile,
		"-E", "UTF8", "--locale=C", "-N", "--no-instructions")
	cmd.SysProcAttr = toolAttr(c.user)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run initdb: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("run initdb: %w", ctx.Err())
		}
		return orgcast.WithHint("run initdb", fmt.Errorf("%w: %s", err, bytes.TrimSpace(out.Bytes())),
			"PostgreSQL 14 or newer is needed; set "+binariesEnv+" to choose another installation")
	}
	return nil
}

// configure writes the settings into a file of its own, so that a second call
// (another port) replaces the first.
func (c *Cluster) configure() error {
	sockets := c.dir
	if len(sockets) > socketPathLimit {
		sockets = ""
	}
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(c.port),
		"unix_socket_directories": sockets,
		"wal_level":               "logical",
		"max_connections":         "200",
		"max_replication_slots":   "64",
		"max_wal_senders":         "64",
		"shared_buffers":          "64MB",
		"jit":                     "off",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"log_line_prefix":         "%m [%p] %q%u@%d ",
	}
	if !c.options.Durable {
		// synchronous_commit stays on: it costs nothing without fsync, and
		// off, the WAL sender sees a commit up to 400 ms late.
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, c.options.Settings)

	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		value := strings.NewReplacer(`'`, `''`, `\`, `\\`, "\n", " ").Replace(settings[name])
		fmt.Fprintf(&text, "%s = '%s'\n", name, value)
	}
	ours := filepath.Join(c.data(), "orgcast.conf")
	if err := os.WriteFile(ours, []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("write server configuration: %w", err)
	}
	if c.user != nil {
		if err := c.user.own(ours); err != nil {
			return err
		}
	}
	main := filepath.Join(c.data(), "postgresql.conf")
	have, err := os.ReadFile(main)
	if err != nil {
		return fmt.Errorf("read server configuration: %w", err)
	}
	const include = "include = 'orgcast.conf'\n"
	if bytes.HasSuffix(have, []byte(include)) {
		return nil
	}
	if err := os.WriteFile(main, append(have, include...), 0o600); err != nil {
		return fmt.Errorf("write server configuration: %w", err)
	}
	return nil
}
