package demo

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
)

// forward passes /api/realtime/ on to orgcast, so that the page finds it at its
// own origin: what a rewrite of Next.js, or any reverse proxy, does.
type forward struct {
	address   atomic.Pointer[string]
	transport *http.Transport
	proxy     *httputil.ReverseProxy
}

func newForward(log *slog.Logger) *forward {
	// Uncompressed, as it comes: what is compressed is held back.
	f := &forward{transport: &http.Transport{DisableCompression: true, ForceAttemptHTTP2: false}}
	f.proxy = &httputil.ReverseProxy{
		Transport: f.transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", *f.address.Load()
			r.SetXForwarded()
		},
		// Each block at once.
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			log.Debug("orgcast does not answer", "error", err)
			unavailable(w)
		},
	}
	return f
}

func (f *forward) to(address net.Addr) {
	s := address.String()
	f.address.Store(&s)
}

// ServeHTTP passes a request on. Before orgcast listens it is told to come
// again.
func (f *forward) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.address.Load() == nil {
		unavailable(w)
		return
	}
	f.proxy.ServeHTTP(w, r)
}

func unavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "Service Unavailable: orgcast does not answer", http.StatusServiceUnavailable)
}

func (f *forward) close() { f.transport.CloseIdleConnections() }
