package doctor

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/oikion/orgcast/internal/codec"
)

// runningPatience bounds the question to a serving orgcast.
const runningPatience = 3 * time.Second

// maxFigures is more than the operator's figures take.
const maxFigures = 1 << 20

// figures are those of the operator's that tell something of the installation.
type figures struct {
	UntrustedProxies int64 `json:"untrustedProxies"`
}

// running asks the orgcast that serves with this environment, if one does, for
// what only it can know.
func running(ctx context.Context, s *Scene) []Finding {
	f, ok := s.ask(ctx)
	if !ok || f.UntrustedProxies == 0 {
		return nil
	}
	text := fmt.Sprintf("serve had %d requests from loopback or private peers that name a client's address, as proxies do, and are not in ORGCAST_TRUSTED_PROXIES", f.UntrustedProxies)
	const cure = "set ORGCAST_TRUSTED_PROXIES to the address of the proxy, such as 127.0.0.1, if it sets the header itself and nothing else connects from there: docs/OPERATIONS.md, Behind proxies"
	if len(s.config.ProxyNetworks) > 0 {
		return []Finding{found(ProxyUntrusted, text+": all who come through one of them count as one client", cure).as(Warning)}
	}
	return []Finding{found(ProxyUntrusted, text+": who comes through them has no limit of streams for his address", cure)}
}

// ask gets the figures. That nobody answers, or somebody else, is no finding: the
// doctor is there for before the start, too.
func (s *Scene) ask(ctx context.Context) (f figures, ok bool) {
	address := s.config.AdminListen
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return f, false
	}
	dial := address
	if a, err := netip.ParseAddr(host); host == "" || err == nil && a.IsUnspecified() {
		dial = net.JoinHostPort("127.0.0.1", port)
	}
	ctx, cancel := context.WithTimeout(ctx, runningPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+dial+"/api/realtime/stats", nil)
	if err != nil {
		return f, false
	}
	first, _, _ := strings.Cut(s.config.AdminHosts, ",")
	request.Host = cmp.Or(strings.TrimSpace(first), address)
	if s.config.AdminToken != "" {
		request.Header.Set("Authorization", "Bearer "+s.config.AdminToken)
	}
	transport := &http.Transport{DisableKeepAlives: true} // no proxy: the token is for this address
	answer, err := (&http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(request)
	if err != nil {
		return f, false
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxFigures))
	return f, err == nil && answer.StatusCode == http.StatusOK && codec.Loose(text, &f) == nil
}
