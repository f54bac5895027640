package demo

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// window is a browser window, in which a person clicks and types.
type window struct {
	t       testing.TB
	browser *chromium
	session string
	name    string
}

// patience bounds each wait for a page.
const patience = 20 * time.Second

// profile makes a browser profile: windows of one share their cookies.
func (c *chromium) profile(t testing.TB) string {
	t.Helper()
	var made struct{ BrowserContextID string }
	if err := c.call(t.Context(), "", "Target.createBrowserContext", nil, &made); err != nil {
		t.Fatal(err)
	}
	return made.BrowserContextID
}

func (c *chromium) open(t testing.TB, profile, name, url string) *window {
	t.Helper()
	var target struct{ TargetID string }
	if err := c.call(t.Context(), "", "Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": profile, "newWindow": true}, &target); err != nil {
		t.Fatal(err)
	}
	var attached struct{ SessionID string }
	if err := c.call(t.Context(), "", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached); err != nil {
		t.Fatal(err)
	}
	w := &window{t: t, browser: c, session: attached.SessionID, name: name}
	for _, domain := range []string{"Runtime", "Log", "Page", "Network"} {
		w.do(domain+".enable", nil, nil)
	}
	w.size(1280, 860)
	w.do("Page.navigate", map[string]any{"url": url}, nil)
	t.Cleanup(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, text := range c.complain[w.session] {
			t.Errorf("%s's page complains: %s", name, text)
		}
	})
	return w
}

func (w *window) do(method string, params, result any) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience+10*time.Second)
	defer cancel()
	if err := w.browser.call(ctx, w.session, method, params, result); err != nil {
		w.t.Fatalf("%s: %v", w.name, err)
	}
}

func (w *window) size(width, height int) {
	w.t.Helper()
	w.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
}

func (w *window) scheme(name string) {
	w.t.Helper()
	w.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": name}}}, nil)
}

// eval is the value of an expression, which may be a promise, in result.
func (w *window) eval(expression string, result any) {
	w.t.Helper()
	var got struct {
		Result           struct{ Value any }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	got.Result.Value = result
	w.do("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &got)
	if e := got.ExceptionDetails; e != nil {
		w.t.Fatalf("%s: %s\nin: %.300s", w.name, e.Exception.Description, expression)
	}
}

// until waits until an expression is true. What is still there instead is told
// by the page's own words.
func (w *window) until(condition string) {
	w.t.Helper()
	var missing string
	w.eval(fmt.Sprintf(`(async () => {
		const end = performance.now() + %d;
		for (;;) {
			try { if (%s) return ""; } catch {}
			if (performance.now() > end) return document.body.innerText;
			await new Promise((resolve) => setTimeout(resolve, 10));
		}
	})()`, patience.Milliseconds(), condition), &missing)
	if missing != "" {
		w.t.Fatalf("%s waits in vain for %s; the page is:\n%s", w.name, condition, missing)
	}
}

// sees waits until the element has the text in it.
func (w *window) sees(selector, text string) {
	w.t.Helper()
	w.until(fmt.Sprintf(`document.querySelector(%q).innerText.includes(%q)`, selector, text))
}

// text is what the element shows.
func (w *window) text(selector string) (s string) {
	w.t.Helper()
	w.eval(fmt.Sprintf(`document.querySelector(%q).innerText`, selector), &s)
	return s
}

// click presses the mouse in the middle of the element, which must be there for
// the mouse.
func (w *window) click(selector string) {
	w.t.Helper()
	w.until(fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		e.scrollIntoView({block: "center"});
		const r = e.getBoundingClientRect();
		const at = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2);
		return e === at || e.contains(at) || at.contains(e) && at.tagName === "LABEL";
	})()`, selector))
	var at struct{ X, Y float64 }
	w.eval(fmt.Sprintf(`(() => { const r = document.querySelector(%q).getBoundingClientRect(); return {x: r.x + r.width / 2, y: r.y + r.height / 2}; })()`, selector), &at)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		w.do("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil)
	}
}

// types writes over what is selected in the element that has the focus.
func (w *window) types(text string) {
	w.t.Helper()
	w.do("Input.insertText", map[string]any{"text": text}, nil)
}

func (w *window) press(key string) {
	w.t.Helper()
	code := map[string]int{"Enter": 13, "Escape": 27, "Tab": 9}[key]
	down := map[string]any{"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code}
	if key == "Enter" {
		down["text"] = "\r"
	}
	w.do("Input.dispatchKeyEvent", down, nil)
	w.do("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code}, nil)
}

// signIn signs in with the form.
func (w *window) signIn(user string) {
	w.t.Helper()
	w.click(fmt.Sprintf("input[value=%q]", user))
	w.click("#sign-in-form [type=submit]")
	w.until(`document.getElementById("state").dataset.state === "live" && document.querySelectorAll(".card").length > 0`)
}

// writes changes a field of a card in place.
func (w *window) writes(property, field, value string) {
	w.t.Helper()
	w.click(card(property) + " .field." + field)
	w.until(`document.activeElement.classList.contains("field-input")`)
	w.types(value)
	w.press("Enter")
}

// card is the selector of a property's card.
func card(property string) string { return "#property-" + property }

// shoot writes what the window shows to a file, if that was asked for.
func (w *window) shoot(name string) {
	w.t.Helper()
	if *shots == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), w.screenshot(), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *window) screenshot() []byte {
	w.t.Helper()
	w.do("Page.bringToFront", nil, nil)
	// As it is when nothing moves any more.
	w.eval(`document.getAnimations().forEach((a) => (a.effect.getComputedTiming().iterations === 1 ? a.finish() : a.cancel()))`, nil)
	var got struct{ Data string }
	w.do("Page.captureScreenshot", map[string]any{"format": "png"}, &got)
	png, err := base64.StdEncoding.DecodeString(strings.TrimSpace(got.Data))
	if err != nil {
		w.t.Fatal(err)
	}
	return png
}
