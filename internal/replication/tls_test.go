//go:build unix

package replication

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oikion/orgcast/internal/pgtest"
)

// certify gives the server a certificate of its own, for 127.0.0.1, and returns
// its file.
func certify(t *testing.T, data string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	subject := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		BasicConstraintsValid: true, IsCA: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, subject, subject, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	// The server takes a key only if it is its own user's.
	owner, err := os.Stat(data)
	if err != nil {
		t.Fatal(err)
	}
	uid := int(owner.Sys().(*syscall.Stat_t).Uid)
	for name, block := range map[string]*pem.Block{
		"server.crt": {Type: "CERTIFICATE", Bytes: certificate}, "server.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		file := filepath.Join(data, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(file, uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join(t.TempDir(), "root.crt")
	if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestStreamOverTLSIsInterruptedAndPartsInOrder(t *testing.T) {
	db, config := database(t)
	root := certify(t, filepath.Join(pgtest.Cluster(t).Dir(), "data"))
	db.Exec(t, "ALTER SYSTEM SET ssl = on")
	db.Exec(t, "SELECT pg_reload_conf()")
	defer func() {
		db.Exec(t, "ALTER SYSTEM RESET ssl")
		db.Exec(t, "SELECT pg_reload_conf()")
	}()
	// The postmaster takes a reload in its own time.
	probe := db.Conn(t)
	for deadline, on := time.Now().Add(patience), ""; on != "on"; {
		if err := probe.QueryRow(t.Context(), "SHOW ssl").Scan(&on); err != nil || time.Now().After(deadline) {
			t.Fatalf("ssl is %q: %v", on, err)
		}
	}
	config.URL = strings.Replace(config.URL, "sslmode=disable", "sslmode=verify-full&channel_binding=require&sslrootcert="+root, 1)
	from := createSlot(t, config)
	f := newFeed(from)
	r := start(t, config, from, f)
	if _, ok := r.conn.stream.Load().conn.(*tls.Conn); !ok {
		t.Fatal("the stream is not over TLS")
	}
	db.Exec(t, "INSERT INTO rows SELECT generate_series(1, 1000)")
	f.awaitRows(t, 1000)
	begin := time.Now()
	r.stop(t)
	if d := time.Since(begin); d > partingTimeout/2 {
		t.Errorf("parting took %v: the server was not heard", d)
	}
	if slot := readSlotOf(t, probe, config.Slot); slot.Active || slot.ConfirmedFlush != f.confirm() {
		t.Errorf("after the end the slot is %+v, ours is at %v", slot, f.confirm())
	}
	r = start(t, config, f.confirm(), f)
	db.Exec(t, "INSERT INTO rows VALUES (1001)")
	f.awaitRows(t, 1001)
	r.stop(t)
}
