package demo

import (
	"bytes"
	"embed"
	"fmt"
	"net/http"
	"path"
	"time"
)

//go:embed page
var files embed.FS

// mediaTypes are those of the page's files. The operating system's own table is
// not asked: it may know none for scripts, and then they don't run.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// pages are the page's files, by the path that they are served at.
var pages = readPages()

func readPages() map[string]http.Handler {
	entries, err := files.ReadDir("page")
	if err != nil {
		panic(fmt.Sprintf("the page is not in the program: %v", err))
	}
	all := map[string]http.Handler{}
	for _, e := range entries {
		content, err := files.ReadFile("page/" + e.Name())
		kind := mediaTypes[path.Ext(e.Name())]
		if err != nil || kind == "" {
			panic(fmt.Sprintf("page/%s can't be served: %v, media type %q", e.Name(), err, kind))
		}
		at := "/" + e.Name()
		if e.Name() == "index.html" {
			at = "/{$}"
		}
		all[at] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Cache-Control", "no-store")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		})
	}
	return all
}
