// Command bench prints what orgcast costs: the real binary on a throwaway
// PostgreSQL, each figure beside a floor that was measured in the same run.
// README.md says how to read them. It needs Linux, which tells a process's memory
// and CPU in /proc.
package main
