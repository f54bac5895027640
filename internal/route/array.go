package route

import "github.com/oikion/orgcast/internal/sse"

// arrayOf encodes an array whose elements element encodes: {a,"b c",NULL},
// nested, with or without dimensions before it ("[0:1]={a,b}").
func arrayOf(element encoder) encoder {
	return func(dst, text []byte) []byte {
		start := len(dst)
		body := text
		if len(body) > 0 && body[0] == '[' {
			for i, c := range body {
				if c == '=' {
					body = body[i+1:]
					break
				}
			}
		}
		p := arrayParser{text: body, element: element}
		dst, ok := p.array(dst, 0)
		if !ok || p.at != len(body) {
			return sse.AppendText(dst[:start], text)
		}
		return dst
	}
}

// maxArrayDepth is PostgreSQL's MAXDIM.
const maxArrayDepth = 6

type arrayParser struct {
	text    []byte
	at      int
	element encoder
	scratch []byte
}

func (p *arrayParser) next() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *arrayParser) array(dst []byte, depth int) ([]byte, bool) {
	if p.next() != '{' || depth == maxArrayDepth {
		return dst, false
	}
	p.at++
	dst = append(dst, '[')
	if p.next() == '}' {
		p.at++
		return append(dst, ']'), true
	}
	for {
		var ok bool
		if p.next() == '{' {
			dst, ok = p.array(dst, depth+1)
		} else {
			dst, ok = p.value(dst)
		}
		if !ok {
			return dst, false
		}
		switch p.next() {
		case ',':
			p.at++
			dst = append(dst, ',')
		case '}':
			p.at++
			return append(dst, ']'), true
		default:
			return dst, false
		}
	}
}

func (p *arrayParser) value(dst []byte) ([]byte, bool) {
	p.scratch = p.scratch[:0]
	if p.next() == '"' {
		for p.at++; p.at < len(p.text); p.at++ {
			switch c := p.text[p.at]; c {
			case '"':
				p.at++
				return p.element(dst, p.scratch), true
			case '\\':
				if p.at++; p.at == len(p.text) {
					return dst, false
				}
				p.scratch = append(p.scratch, p.text[p.at])
			default:
				p.scratch = append(p.scratch, c)
			}
		}
		return dst, false
	}
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case ',', '}':
			if len(p.scratch) == 0 {
				return dst, false
			}
			if string(p.scratch) == "NULL" {
				return append(dst, "null"...), true
			}
			return p.element(dst, p.scratch), true
		case '\\':
			if p.at++; p.at == len(p.text) {
				return dst, false
			}
			p.scratch = append(p.scratch, p.text[p.at])
		default:
			p.scratch = append(p.scratch, c)
		}
	}
	return dst, false
}
