// What one row of weights has of a dot product, as dot_product.sv says: a heap of counters.
//
// Latency: REGISTERS cycles.
`default_nettype none

module dot_product_row #(
  parameter int SIMD            = 8,  // as of dot_product, all
  parameter int INPUT_BITS      = 1,
  parameter int INPUT_ENCODING  = 2,
  parameter int WEIGHT_BITS     = 1,
  parameter int WEIGHT_ENCODING = 2,
  parameter int SUM_BITS        = 5,
  parameter int MULTIPLIERS     = 0,
  parameter int REGISTERS       = 0
) (
  input  logic                        aclk,
  input  logic                        advance,
  input  logic [SIMD*INPUT_BITS-1:0]  x,
  input  logic [SIMD*WEIGHT_BITS-1:0] w,
  output logic [SUM_BITS-1:0]         sum
);
  localparam int BIPOLAR = 2;
  localparam int SHIFT = WEIGHT_ENCODING == BIPOLAR ? 1 : 0;
  localparam int PRODUCT_BITS = INPUT_BITS + WEIGHT_BITS;
  // Yosys makes no DSP of a shorter product.
  localparam int MULTIPLIED_BITS = PRODUCT_BITS > 9 ? PRODUCT_BITS : 9;
  // What a product of ones in all planes counts for, and the bits of the sum of as many.
  localparam logic [63:0] ONES = 64'd1;
  localparam logic [63:0] MOST = MULTIPLIERS != 0 ? (ONES << MULTIPLIED_BITS) - ONES
    : ((ONES << INPUT_BITS) - ONES) * ((ONES << WEIGHT_BITS) - ONES);
  localparam int NEEDED = $clog2(64'(SIMD) * MOST + ONES);
  localparam int COLUMNS = NEEDED < SUM_BITS - SHIFT ? NEEDED : SUM_BITS - SHIFT;
  localparam int HEIGHT_BITS = COLUMNS * 16;
  localparam int PLACE_BITS = COLUMNS * 32 + 32;

  localparam int THREES = SIMD / 3;
  localparam int REST = SIMD % 3;

  // Plane (j, k) is bit j of x with bit k of w, and stands in column j + k: `first` is the least j
  // of a column, `planes` how many there are.
  function automatic int first(input int column);
    first = column < WEIGHT_BITS ? 0 : column - WEIGHT_BITS + 1;
  endfunction

  function automatic int planes(input int column);
    planes = 0;
    if (column >= 0 && column < INPUT_BITS + WEIGHT_BITS - 1)
      planes = (column < INPUT_BITS ? column + 1 : INPUT_BITS) - first(column);
  endfunction

  // A column has the ones and the rest of its planes, then the twos of those below.
  function automatic logic [HEIGHT_BITS-1:0] row_heights();
    row_heights = '0;
    for (int i = 0; i < COLUMNS; i = i + 1)
      row_heights = row_heights | HEIGHT_BITS'(
          16'(planes(i) * (THREES + REST) + planes(i - 1) * THREES)) << 16 * i;
  endfunction

  // Where the bits of each column begin, and of one behind the last, 32 bits a column.
  function automatic logic [PLACE_BITS-1:0] row_places();
    int row_place;
    row_places = '0;
    row_place = 0;
    for (int i = 0; i <= COLUMNS; i = i + 1) begin
      row_places = row_places | PLACE_BITS'(row_place) << 32 * i;
      row_place = row_place + planes(i) * (THREES + REST) + planes(i - 1) * THREES;
    end
  endfunction

  localparam logic [PLACE_BITS-1:0] ROW_PLACES = row_places();

  logic [COLUMNS-1:0] total;
  assign sum = SUM_BITS'(total) << SHIFT;

  if (MULTIPLIERS != 0) begin : g_multipliers
    localparam int WIDTH = MULTIPLIED_BITS < COLUMNS ? MULTIPLIED_BITS : COLUMNS;
    // A multiplier is far from what feeds it: a register behind it, then one in front.
    localparam int BEHIND = REGISTERS > 0 ? 1 : 0;
    localparam int FRONT = REGISTERS > 1 ? 1 : 0;
    localparam bit SIGNED = INPUT_ENCODING == 1 || WEIGHT_ENCODING == 1;
    logic [SIMD*MULTIPLIED_BITS-1:0] products, held;
    logic [SIMD*WIDTH-1:0] bits;
    logic [SIMD*INPUT_BITS-1:0] near_x;
    logic [SIMD*WEIGHT_BITS-1:0] near_w;
    delay #(
      .WIDTH (SIMD * (INPUT_BITS + WEIGHT_BITS)),
      .CYCLES(FRONT)
    ) approach (
      .aclk,
      .advance,
      .x({x, w}),
      .y({near_x, near_w})
    );
    for (genvar i = 0; i < SIMD; i = i + 1) begin : g_product
      // One bit more than the operand, so that an unsigned one has a sign too.
      logic signed [INPUT_BITS:0] xi;
      logic signed [WEIGHT_BITS:0] wi;
      assign xi = {INPUT_ENCODING == 1 && near_x[i*INPUT_BITS+INPUT_BITS-1],
        near_x[i*INPUT_BITS+:INPUT_BITS]};
      assign wi = {WEIGHT_ENCODING == 1 && near_w[i*WEIGHT_BITS+WEIGHT_BITS-1],
        near_w[i*WEIGHT_BITS+:WEIGHT_BITS]};
      assign products[i*MULTIPLIED_BITS+:MULTIPLIED_BITS] =
        MULTIPLIED_BITS'(xi) * MULTIPLIED_BITS'(wi);
      for (genvar c = 0; c < WIDTH; c = c + 1) begin : g_column
        assign bits[c*SIMD+i] = held[i*MULTIPLIED_BITS+c] ^ (SIGNED && c == MULTIPLIED_BITS - 1);
      end
    end
    delay #(
      .WIDTH (SIMD * MULTIPLIED_BITS),
      .CYCLES(BEHIND)
    ) hold (
      .aclk,
      .advance,
      .x(products),
      .y(held)
    );
    bit_heap #(
      .COLUMNS  (COLUMNS),
      .HEIGHTS  (HEIGHT_BITS'({WIDTH{16'(SIMD)}})),
      .REGISTERS(REGISTERS - FRONT - BEHIND)
    ) add_up (
      .aclk,
      .advance,
      .bits,
      .sum(total)
    );
    logic unused;
    assign unused = &{1'b0, held};
  end else begin : g_planes
    logic [int'(ROW_PLACES[32*COLUMNS+:32])-1:0] bits;
    for (genvar j = 0; j < INPUT_BITS; j = j + 1) begin : g_input
      for (genvar k = 0; k < WEIGHT_BITS; k = k + 1) begin : g_weight
        if (j + k < COLUMNS) begin : g_plane
          localparam int COLUMN = j + k;
          localparam int PLACE = j - first(COLUMN);
          localparam bit NEGATIVE = (INPUT_ENCODING == 1 && j == INPUT_BITS - 1)
            != (WEIGHT_ENCODING == 1 && k == WEIGHT_BITS - 1);
          localparam int PRODUCT = (INPUT_ENCODING == BIPOLAR ? 1 : 0) + (NEGATIVE ? 2 : 0);
          localparam int LOW = int'(ROW_PLACES[32*COLUMN+:32]) + PLACE * (THREES + REST);
          logic [SIMD-1:0] xs, ws;
          for (genvar i = 0; i < SIMD; i = i + 1) begin : g_lane
            assign xs[i] = x[i*INPUT_BITS+j];
            assign ws[i] = w[i*WEIGHT_BITS+k];
          end
          if (REST > 0) begin : g_rest
            logic [REST-1:0] last_x, last_w;
            assign last_x = xs[SIMD-1-:REST];
            assign last_w = ws[SIMD-1-:REST];
            assign bits[LOW+THREES+:REST] =
              (PRODUCT % 2 == 0 ? last_x & last_w : ~(last_x ^ last_w)) ^ {REST{NEGATIVE}};
          end
          if (THREES > 0) begin : g_threes
            logic [THREES-1:0] twos;
            product3 #(
              .COUNTERS(THREES),
              .PRODUCT (PRODUCT)
            ) products (
              .x   (xs[3*THREES-1:0]),
              .w   (ws[3*THREES-1:0]),
              .ones(bits[LOW+:THREES]),
              .twos(twos)
            );
            if (COLUMN + 1 < COLUMNS) begin : g_twos
              localparam int TWOS = int'(ROW_PLACES[32*(COLUMN+1)+:32])
                + planes(COLUMN + 1) * (THREES + REST) + PLACE * THREES;
              assign bits[TWOS+:THREES] = twos;
            end
            logic unused;
            assign unused = &{1'b0, twos};
          end
        end
      end
    end

    bit_heap #(
      .COLUMNS  (COLUMNS),
      .HEIGHTS  (row_heights()),
      .REGISTERS(REGISTERS)
    ) add_up (
      .aclk,
      .advance,
      .bits,
      .sum(total)
    );
  end
endmodule

`default_nettype wire
