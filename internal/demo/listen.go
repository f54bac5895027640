package demo

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/oikion/orgcast"
)

// preferredPort is where an application made with Next.js is expected.
const preferredPort = 3000

// portAttempts bounds the search for a port that is free on both loopbacks.
const portAttempts = 8

// doors are the application's listeners: one port on each loopback address that
// the machine has. A browser that is sent to localhost tries ::1 first; were it
// left free, somebody else's page could be there.
type doors struct {
	listeners []net.Listener
	port      int
}

// listen takes port, or one that is free.
func listen(port int) (*doors, error) {
	d, err := listenOn(port)
	for range portAttempts {
		if err == nil {
			return d, nil
		}
		d, err = listenOn(0)
	}
	return nil, orgcast.WithHint("listen for the demo's page", err, "Look at the operating system's limits: no port of loopback is free.")
}

func listenOn(port int) (*doors, error) {
	four, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	d := &doors{listeners: []net.Listener{four}, port: four.Addr().(*net.TCPAddr).Port}
	six, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(d.port)))
	switch {
	case err == nil:
		d.listeners = append(d.listeners, six)
	case errors.Is(err, syscall.EADDRINUSE):
		d.close()
		return nil, err
	}
	return d, nil // or else the machine has no ::1
}

// close closes what is still open.
func (d *doors) close() {
	for _, l := range d.listeners {
		_ = l.Close() // nothing was written to it
	}
}

// hosts are the Host headers that a browser sends for the application.
func (d *doors) hosts() []string {
	port := strconv.Itoa(d.port)
	return []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("localhost", port)}
}

func (d *doors) origin(host string) string { return fmt.Sprintf("http://%s:%d", host, d.port) }

// freeAddress is address, or one on a free port if that is taken.
func freeAddress(address string) string {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = l.Close() // nothing was written to it
	return address
}
