package route

import (
	"bytes"
	"fmt"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// MaxRules is the largest rule file, in bytes: 4,000 columns or more. Its lines
// are no longer than maxLine, and its brackets no deeper than maxBrackets: a
// parser's work grows with the square of these.
const (
	MaxRules    = 256 << 10
	maxLine     = 1 << 10
	maxBrackets = 16
)

// checkSource refuses a file that would cost more to parse than a rule file can
// be worth, and aliases: a few lines of them can stand for gigabytes.
func checkSource(source []byte) error {
	if len(source) > MaxRules {
		return fmt.Errorf("read rules: %d bytes, more than %d", len(source), MaxRules)
	}
	line, depth := 0, 0
	for text := range bytes.Lines(source) {
		line++
		if len(text) > maxLine {
			return fmt.Errorf("read rules: line %d: longer than %d bytes: break it", line, maxLine)
		}
		for _, c := range text {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth--
			}
			if depth > maxBrackets {
				return fmt.Errorf("read rules: line %d: more than %d brackets are open: close them", line, maxBrackets)
			}
		}
	}
	for i, t := range lexer.Tokenize(string(source)) {
		switch t.Type {
		case token.DocumentHeaderType, token.DocumentEndType:
			if i > 0 { // the parser would pass over what follows
				return fmt.Errorf("read rules: line %d: a rule file is one document: take the rest out", t.Position.Line)
			}
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType:
			return fmt.Errorf("read rules: line %d: anchors, aliases and tags are not taken: write it out", t.Position.Line)
		}
	}
	return nil
}
