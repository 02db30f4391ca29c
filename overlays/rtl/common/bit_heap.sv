// Adds up a heap of bits, those of column i counting 2^i each: the sum modulo 2^COLUMNS.
//
// Levels of counters, seven bits to three, until no column has more than three bits, and an adder
// of three numbers. Registers lie between levels, so that all parts are about as deep.
// Latency: REGISTERS cycles. A heap a cycle.
`default_nettype none

module bit_heap #(
  parameter int                    COLUMNS   = 4,  // bits of the sum, 1 to 64
  parameter logic [COLUMNS*16-1:0] HEIGHTS   = {COLUMNS{16'd1}},  // 16 bits each; not all 0
  parameter int                    REGISTERS = 0,  // >= 0
  // The rest follows from the above: leave it alone.
  parameter int                    BITS      = bits_in(HEIGHTS)
) (
  input  logic               aclk,
  input  logic               advance,  // the registers move
  input  logic [BITS-1:0]    bits,     // those of column 0 lowest
  output logic [COLUMNS-1:0] sum
);
  localparam int HEIGHT_BITS = COLUMNS * 16;
  localparam int PLACE_BITS = COLUMNS * 32;
  localparam int LEVELS = levels();
  // How many LUTs lie one behind the other, about: in what makes the bits, a level, the adder.
  localparam int MADE = 1;
  localparam int LEVEL = 2;
  localparam int ADDER = 4;

  function automatic int bits_in(input logic [HEIGHT_BITS-1:0] columns);
    bits_in = 0;
    for (int i = 0; i < COLUMNS; i = i + 1) bits_in = bits_in + int'(16'(columns >> 16 * i));
  endfunction

  // Where the bits of each column begin, 32 bits a column.
  function automatic logic [PLACE_BITS-1:0] places_in(input logic [HEIGHT_BITS-1:0] columns);
    int place;
    places_in = '0;
    place = 0;
    for (int i = 0; i < COLUMNS; i = i + 1) begin
      places_in = places_in | PLACE_BITS'(place) << 32 * i;
      place = place + int'(16'(columns >> 16 * i));
    end
  endfunction

  // The heights behind a level. Of seven bits of a column, and of four to six that are left, a
  // counter makes a one, a two for the next column and a four for that behind it.
  function automatic logic [HEIGHT_BITS-1:0] counted_down(input logic [HEIGHT_BITS-1:0] columns);
    logic [15:0] height, rest, counters, twos, fours;
    counted_down = '0;
    twos = '0;
    fours = '0;
    for (int i = 0; i < COLUMNS; i = i + 1) begin
      height = 16'(columns >> 16 * i);
      counters = (height + 16'd3) / 16'd7;
      rest = height % 16'd7;
      if (rest > 16'd3) rest = '0;
      counted_down = counted_down | HEIGHT_BITS'(16'(counters + rest + twos + fours)) << 16 * i;
      fours = twos;
      twos = counters;
    end
  endfunction

  function automatic logic [HEIGHT_BITS-1:0] behind(input int level);
    behind = HEIGHTS;
    for (int i = 0; i < level; i = i + 1) behind = counted_down(behind);
  endfunction

  function automatic int levels();
    logic [HEIGHT_BITS-1:0] columns;
    int high;
    levels = -1;
    columns = HEIGHTS;
    high = 1;
    while (high != 0) begin
      high = 0;
      for (int i = 0; i < COLUMNS; i = i + 1) if (16'(columns >> 16 * i) > 16'd3) high = 1;
      columns = counted_down(columns);
      levels = levels + 1;
    end
  endfunction

  // Registers up to and with those behind a level: each lies where its part of the depth is nearest.
  function automatic int registers(input int level);
    registers = (MADE + level * LEVEL + LEVEL / 2) * (REGISTERS + 1)
      / (MADE + LEVELS * LEVEL + ADDER);
    if (level < 0) registers = 0;
    if (level == LEVELS || registers > REGISTERS) registers = REGISTERS;
  endfunction

  if (COLUMNS < 1 || COLUMNS > 64 || HEIGHTS == '0 || REGISTERS < 0) begin : g_bad_heap
    $error("COLUMNS must be 1 to 64, HEIGHTS not all 0, REGISTERS at least 0");
  end

  for (genvar l = 0; l <= LEVELS; l = l + 1) begin : g_level
    localparam logic [HEIGHT_BITS-1:0] NOW = behind(l);
    localparam logic [PLACE_BITS-1:0] PLACES = places_in(NOW);
    localparam int HEAP = bits_in(NOW);
    logic [HEAP-1:0] made, heap;
    if (l == 0) begin : g_first
      assign made = bits;
    end else begin : g_later
      assign made = g_level[l-1].g_counters.next;
    end
    delay #(
      .WIDTH (HEAP),
      .CYCLES(registers(l) - registers(l - 1))
    ) hold (
      .aclk,
      .advance,
      .x(made),
      .y(heap)
    );

    if (l < LEVELS) begin : g_counters
      localparam logic [HEIGHT_BITS-1:0] NEXT = counted_down(NOW);
      localparam logic [PLACE_BITS-1:0] NEXT_PLACES = places_in(NEXT);
      // A column: its counters' ones, what is left of it, the fours from two columns below, and
      // the twos from the one below.
      logic [bits_in(NEXT)-1:0] next;
      for (genvar c = 0; c < COLUMNS; c = c + 1) begin : g_column
        localparam int HEIGHT = int'(NOW[16*c+:16]);
        localparam int COUNTERS = (HEIGHT + 3) / 7;
        localparam int LEFT = HEIGHT % 7 > 3 ? 0 : HEIGHT % 7;
        localparam int PLACE = int'(PLACES[32*c+:32]);
        localparam int NEXT_PLACE = int'(NEXT_PLACES[32*c+:32]);
        if (COUNTERS > 0) begin : g_count
          logic [COUNTERS-1:0] ones, twos, fours;
          counter7 #(
            .COUNTERS(COUNTERS)
          ) counter (
            .x    ((7 * COUNTERS)'(heap[PLACE+:HEIGHT-LEFT])),
            .ones (ones),
            .twos (twos),
            .fours(fours)
          );
          assign next[NEXT_PLACE+:COUNTERS] = ones;
          if (c + 1 < COLUMNS) begin : g_twos
            // The last of its column.
            localparam int END = int'(NEXT_PLACES[32*(c+1)+:32]) + int'(NEXT[16*(c+1)+:16]);
            assign next[END-COUNTERS+:COUNTERS] = twos;
          end
          if (c + 2 < COLUMNS) begin : g_fours
            // In front of the twos of the column between.
            localparam int TWOS = (int'(NOW[16*(c+1)+:16]) + 3) / 7;
            localparam int END = int'(NEXT_PLACES[32*(c+2)+:32]) + int'(NEXT[16*(c+2)+:16]);
            assign next[END-TWOS-COUNTERS+:COUNTERS] = fours;
          end
          logic unused;
          assign unused = &{1'b0, twos, fours};
        end
        if (LEFT > 0) begin : g_left
          assign next[NEXT_PLACE+COUNTERS+:LEFT] = heap[PLACE+HEIGHT-LEFT+:LEFT];
        end
      end
    end
  end

  localparam logic [HEIGHT_BITS-1:0] LAST = behind(LEVELS);
  localparam logic [PLACE_BITS-1:0] LAST_PLACES = places_in(LAST);
  logic [2:0][COLUMNS-1:0] terms;
  for (genvar c = 0; c < COLUMNS; c = c + 1) begin : g_term
    for (genvar i = 0; i < 3; i = i + 1) begin : g_bit
      if (i < int'(LAST[16*c+:16])) begin : g_one
        assign terms[i][c] = g_level[LEVELS].heap[int'(LAST_PLACES[32*c+:32])+i];
      end else begin : g_none
        assign terms[i][c] = 1'b0;
      end
    end
  end

  sum3 #(
    .WIDTH(COLUMNS)
  ) adder (
    .terms,
    .all(1'b1),
    .sum
  );
endmodule

`default_nettype wire
