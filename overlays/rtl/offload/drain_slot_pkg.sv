// What the drain's comparators do in a cycle.
package drain_slot_pkg;
  localparam int TURNS = 4;  // rows that share a comparator: turn about, a cycle each

  typedef struct packed {
    logic scan;         // rows are looked at one by one, for the largest; else all of a group pass
    logic first;        // of a result
    logic last;         // the last pass of a result; the last row of a scan
    logic ends_block;   // the result is the last one of its block,
    logic ends_layer;   // of its layer
    logic buffer;       // of the constants
    logic [1:0] turn;
    // Of a pass: the plane that is searched, or the four that leave. Of a scan: the group.
    logic [3:0] index;
  } slot_t;
endpackage
