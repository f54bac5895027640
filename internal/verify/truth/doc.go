// Package truth says what is to be heard.
package truth
