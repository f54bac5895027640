package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/oikion/orgcast/internal/app"
)

// shutdownTimeout bounds the application's end: orgcast tells the streams that
// pass through it, and they end.
const shutdownTimeout = 15 * time.Second

// serve runs orgcast and, as soon as its feed is fresh, the application before
// it, until ctx or one of the two ends.
func serve(ctx context.Context, page *doors, orgcast *app.App, application *application, ready func(net.Addr)) error {
	// orgcast outlives ctx, until the application takes no more requests.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	server := &http.Server{
		Handler:           application,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(application.log.Handler(), slog.LevelDebug),
	}
	// Called when the listeners are closed.
	server.RegisterOnShutdown(stop)

	fresh := make(chan net.Addr, 1)
	orgcast.Ready = func(address net.Addr) { fresh <- address }
	ended := make(chan error, 1)
	go func() { ended <- orgcast.Run(running) }()

	var serving sync.WaitGroup
	broken := make(chan error, len(page.listeners))
	select {
	case <-ctx.Done():
		stop()
		return <-ended
	case err := <-ended:
		return err
	case address := <-fresh:
		application.forwardTo(address)
		for _, l := range page.listeners {
			serving.Go(func() {
				if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
					broken <- fmt.Errorf("serve the demo's page: %w", err)
				}
			})
		}
		ready(address)
	}
	var cause error
	select {
	case <-ctx.Done():
	case cause = <-broken:
	case cause = <-ended:
		ended <- nil
	}
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer done()
	err := server.Shutdown(closing)
	if err != nil {
		err = errors.Join(fmt.Errorf("stop the demo's page: %w", err), server.Close())
	}
	serving.Wait()
	return errors.Join(cause, err, <-ended)
}
