package demo

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

var (
	picture = flag.String("picture", "", "write the README's picture of two windows to this file")
	shots   = flag.String("shots", "", "write what the windows show on the way to this directory")
)

// printed gathers what the demo says.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// running is a demo that runs, as `orgcast demo` does.
type running struct {
	Place
	out  *printed
	stop func() error // as Ctrl-C; once
}

func startDemo(t *testing.T) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d := &running{out: &printed{}}
	ready, ended := make(chan Place, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{
			Version: "test", Out: d.out, Log: slog.New(slog.NewTextHandler(d.out, &slog.HandlerOptions{Level: slog.LevelWarn})),
			Getenv: func(string) string { return "" }, Ready: func(p Place) { ready <- p },
		})
	}()
	d.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		err := d.stop()
		if err != nil {
			t.Errorf("the demo ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the demo said:\n%s", d.out)
		}
	})
	select {
	case d.Place = <-ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("the demo did not start: %v", err)
	}
	return d
}

// psql runs a statement as the application's role, beside the application.
func (d *running) psql(t *testing.T, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.Database)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), sql)
	if err := errors.Join(err, conn.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
}

const (
	live   = `document.getElementById("state").dataset.state === "live"`
	closed = `document.getElementById("state").dataset.state === "closed"`
)

// TestPeopleSeeEachOthersChanges is the demo itself: three people in a browser,
// with mouse and keyboard.
func TestPeopleSeeEachOthersChanges(t *testing.T) {
	demo, browser := startDemo(t), startChromium(t)
	// Alice and Carol share a browser: the host name tells their cookies apart.
	shared, other := browser.profile(t), browser.profile(t)
	alice := browser.open(t, shared, "alice", demo.Page)
	carol := browser.open(t, shared, "carol", demo.Beside)
	bob := browser.open(t, other, "bob", demo.Page)
	alice.until(`document.querySelector("#users input")`)
	alice.shoot("sign-in")
	alice.signIn("alice")
	carol.signIn("carol")
	bob.signIn("bob")

	// An edit in one window is seen in the other, with its author; and by nobody
	// of another organization: see below.
	alice.writes("villa", "price", "495000")
	for _, w := range []*window{alice, carol} {
		w.sees(card("villa"), "€495,000")
		w.sees("#feed", "price €480,000 → €495,000")
		w.sees("#feed", "by Alice")
	}
	carol.until(`document.getElementById("state-name").textContent === "Live" && /^[0-9.]+ m?s$/.test(document.getElementById("latency").textContent)`)
	alice.click(card("villa") + " .field.status")
	alice.eval(`(() => { const s = document.activeElement; s.value = "SOLD"; s.dispatchEvent(new Event("change")); })()`, nil)
	carol.sees(card("villa"), "Sold")
	carol.click(card("villa") + " summary")
	carol.click(card("villa") + " .note-form input")
	carol.types("Signed this morning")
	carol.press("Enter")
	alice.sees("#feed", "“Signed this morning”")

	// Escape leaves a value as it was.
	alice.click(card("loft") + " .field.price")
	alice.until(`document.activeElement.classList.contains("field-input")`)
	alice.types("1")
	alice.press("Escape")
	alice.until(`document.activeElement.matches("` + card("loft") + ` .field.price")`)
	alice.sees(card("loft"), "€210,000")

	// A notification is seen by its addressee alone: not by who sent it, and by
	// nobody of another organization (see below). It is sent with the keyboard.
	alice.click("#notify")
	alice.until(`document.activeElement.matches("#notify-form select") && document.activeElement.selectedOptions[0].textContent === "Carol"`)
	alice.press("Tab")
	alice.types(`Viewing moved to 5 <b>sharp</b>`)
	alice.press("Enter")
	alice.sees("#notify-sent", "Told Carol")
	alice.until(`document.getElementById("notify-form").hidden && document.activeElement.id === "notify"`)
	carol.size(390, 780) // on a phone
	carol.sees("#notices", "Viewing moved to 5 <b>sharp</b>")
	carol.sees("#notices", "Alice · Aegean Estates")
	carol.until(`document.documentElement.scrollWidth <= 390 && document.querySelectorAll("#notices b").length === 0`)
	carol.shoot("notification-on-a-phone")
	carol.click("#notices button")
	carol.until(`document.getElementById("notices").children.length === 0 && document.activeElement.id === "notify"`)
	carol.size(1280, 860)
	carol.click("#notify")
	carol.press("Escape")
	carol.until(`document.getElementById("notify-form").hidden`)
	if feed := alice.text("#feed"); strings.Contains(feed, "Viewing") || alice.text("#notices") != "" {
		t.Errorf("alice hears what she told carol:\n%s", feed)
	}

	// While one is away events pile up, and come in order, each once.
	carol.click("#toggle")
	carol.until(closed)
	carol.sees("#state", "you disconnected")
	carol.shoot("disconnected")
	alice.writes("villa", "price", "490000")
	alice.sees(card("villa"), "€490,000")
	alice.writes("villa", "price", "485000")
	alice.sees(card("villa"), "€485,000")
	demo.psql(t, `UPDATE properties SET bedrooms = 5 WHERE id = 'villa'`)
	alice.sees(card("villa"), "5 bedrooms")
	alice.click("#add")
	alice.types("House of stone")
	alice.press("Tab")
	alice.types("300000")
	alice.press("Enter")
	alice.sees("#cards", "House of stone")
	if was := carol.text(card("villa")); !strings.Contains(was, "€495,000") || strings.Contains(was, "5 bedrooms") {
		t.Errorf("carol is away, and sees %q", was)
	}
	carol.click("#toggle")
	carol.until(live)
	carol.sees("#state", "4 events replayed")
	carol.until(`document.getElementById("replayed").textContent === "4"`)
	carol.until(`[...document.querySelectorAll(".was-replayed")].map((e) => e.querySelector(".what").textContent).join("; ") ===
		"new, at €300,000; bedrooms 4 → 5; price €490,000 → €485,000; price €495,000 → €490,000"`)
	carol.shoot("replayed")
	if a, c := boardOf(alice), boardOf(carol); a != c {
		t.Errorf("after the replay carol sees\n%s\nand alice\n%s", c, a)
	}
	if *picture != "" {
		alice.click("#notify")
		alice.press("Tab")
		alice.types("The buyer of the villa is here")
		alice.press("Enter")
		carol.sees("#notices", "The buyer")
		takePicture(t, alice, carol)
		carol.click("#notices button")
	}

	// A stream that orgcast ends, here for another role, comes back by itself.
	demo.psql(t, `UPDATE organization_members SET role = 'ADMIN' WHERE "userId" = 'carol' AND "organizationId" = 'aegean'`)
	carol.sees("#state", "0 events replayed")
	carol.until(live)
	carol.sees("#feed", "permissions changed")

	// A text of the database is a text on the page.
	markup := `<img src=x onerror=document.body.remove()> & "more"`
	alice.writes("loft", "description", markup)
	carol.until(`document.querySelector("` + card("loft") + ` .description").textContent === ` + "`" + markup + "`")
	carol.until(`document.querySelectorAll("#cards img, #feed img").length === 0`)

	// A property that is moved leaves one board and appears, with its notes, on
	// the other. It is the first thing that Bob hears of.
	carol.click(`[data-id="ionian"]`)
	carol.until(live)
	carol.sees("#cards", "Old oil mill")
	carol.until(`!document.getElementById("cards").innerText.includes("Villa")`)
	carol.shoot("another-organization")
	bob.until(`document.getElementById("count").textContent === "0"`)
	carol.click(`[data-id="aegean"]`)
	carol.until(live)
	carol.click(card("villa") + " .card-actions button")
	bob.sees("#cards", "Villa above the bay")
	bob.sees(card("villa"), "2 notes")
	alice.until(`!document.querySelector("` + card("villa") + `")`)
	if feed := bob.text("#feed"); strings.Contains(feed, "495,000") || strings.Contains(feed, "stone") || strings.Contains(feed, "Viewing") || bob.text("#notices") != "" {
		t.Errorf("bob heard of another organization:\n%s", feed)
	}

	// Who is taken out of an organization is told, and stays out.
	demo.psql(t, `DELETE FROM organization_members WHERE "userId" = 'carol' AND "organizationId" = 'aegean'`)
	carol.until(closed)
	carol.sees("#state", "no longer a member")
	alice.sees("#feed", "left")
	carol.click("#toggle")
	carol.sees("#state", "No access to this organization")

	alice.click("#sign-out")
	alice.until(`!document.getElementById("sign-in").hidden && document.querySelector("#users input")`)
	bob.until(live)

	// The end: who is there is told, and nothing is left.
	bob.eval(`(() => { const o = new MutationObserver(() => { window.heard = (window.heard ?? "") + document.getElementById("state").innerText; });
		o.observe(document.getElementById("state"), {subtree: true, childList: true, characterData: true}); })()`, nil)
	if err := demo.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	bob.until(`window.heard.includes("orgcast is stopping")`)
	if _, err := os.Stat(demo.Cookies); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left behind: %v", demo.Cookies, err)
	}
	if _, err := pgx.Connect(t.Context(), demo.Database); err == nil {
		t.Error("PostgreSQL still answers")
	}
}

// boardOf is what a window's cards say, but for the move buttons.
func boardOf(w *window) (s string) {
	w.t.Helper()
	w.eval(`[...document.querySelectorAll(".card")].map((c) => [...c.querySelectorAll(".field, .bedrooms, summary")].map((e) => e.textContent).join(" | ")).join("\n")`, &s)
	return s
}

// takePicture puts two windows side by side, in light and in dark.
func takePicture(t *testing.T, windows ...*window) {
	t.Helper()
	const width, height, gap = 680, 770, 4
	all := image.NewRGBA(image.Rect(0, 0, len(windows)*width+gap, height))
	draw.Draw(all, all.Bounds(), image.NewUniform(color.Gray{Y: 0x80}), image.Point{}, draw.Src)
	for i, w := range windows {
		w.size(width, height)
		w.scheme([]string{"light", "dark"}[i%2])
		w.eval("document.activeElement.blur(); scrollTo(0, 0)", nil)
		shot, err := png.Decode(bytes.NewReader(w.screenshot()))
		if err != nil {
			t.Fatal(err)
		}
		at := image.Rect(0, 0, width, height).Add(image.Pt(i*(width+gap), 0))
		draw.Draw(all, at, shot, image.Point{}, draw.Src)
		w.size(1280, 860)
		w.scheme("")
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, all); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(*picture), 0o755), os.WriteFile(*picture, out.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}
